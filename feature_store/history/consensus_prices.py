"""Prices one could have bet at: the consensus of the books, from the same quotes as the features, overround included.

Yardsticks and bets both use these, so that a model, its yardstick and the price bet at always come from the same books.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray
from core.betting.leagues import League
from feature_store.archive.facts import Quote
from feature_store.history.fact_columns import QuoteColumns, quote_columns
from feature_store.history.point_in_time import consensus, whole
from feature_store.history.prices import PriceColumns
from feature_store.history.ratings import rules_of

Moment = Literal["open", "close"]


@dataclass(frozen=True, eq=False)
class BettingPrices:
    """One price and line per game: means over the books that had quoted all sides of the market before its start."""

    moment: Moment
    odds: FloatArray
    """Decimal odds, shape (games, outcomes); NaN without a quote."""
    known_at: FloatArray
    """When the price was known [seconds since 1970]; NaN without a price.

    Of several books it is the last one's quote for the close and the first one's for the opening: a bettor of that
    moment has not seen where the others opened, nor any price move.
    """
    margin: FloatArray
    """Expected home margin by the spread [points]; NaN without one."""
    total: FloatArray
    """Expected sum of both scores by the total line and its prices [points]; NaN without one."""

    @property
    def available(self) -> NDArray[np.bool_]:
        """Mask of the games that could be bet on."""
        return np.asarray(~np.isnan(self.odds).any(axis=1))


def consensus_prices(
    league: League, quotes: Sequence[Quote], game_ids: Sequence[str], starts: FloatArray, moment: Moment
) -> BettingPrices:
    """The mean over the books of each one's first opening quote (open), or of its last quote of any kind (close).

    As in the features, a quote counts if it was known and shown by the game's start and has every side; means are
    taken of the probabilities and of the expected margins. Unlike in the features, a market with opening quotes alone
    has no close: it is unknown whether they still stood.
    """
    place = {game_id: number for number, game_id in enumerate(game_ids)}
    opening = moment == "open"
    columns = quote_columns([quote for quote in quotes if not opening or quote.moment == "open"], place)
    prices = _prices(league, columns, starts, opening=opening)
    if not opening:
        standing = quote_columns([quote for quote in quotes if quote.moment != "open"], place)
        prices = _where_present(prices, _prices(league, standing, starts, opening=False))
    return BettingPrices(
        moment,
        prices.odds if league.outcomes == 3 else prices.odds[:, ::2],
        np.where(np.isnan(prices.home), np.nan, _known_at(columns, starts, league.outcomes, opening=opening)),
        prices.spread_line,
        prices.expected_total(rules_of(league.sport).total_deviation),
    )


def _prices(league: League, quotes: QuoteColumns, starts: FloatArray, *, opening: bool) -> PriceColumns:
    return consensus(quotes, np.arange(len(starts)), starts, starts, outcomes=league.outcomes, first=opening)


def _where_present(prices: PriceColumns, others: PriceColumns) -> PriceColumns:
    """The prices of those markets that ``others`` have a price of as well."""
    names = [field.name for field in fields(PriceColumns)]
    return PriceColumns(
        **{name: np.where(np.isnan(getattr(others, name)), np.nan, getattr(prices, name)) for name in names}
    )


def _known_at(quotes: QuoteColumns, starts: FloatArray, outcomes: int, *, opening: bool) -> FloatArray:
    """When the first of each game's quotes was known (opening), or the last one."""
    start = starts[quotes.game]
    counts = whole(quotes, outcomes=outcomes) & (quotes.known <= start) & (quotes.quoted <= start)
    edge = np.full(len(starts), np.inf if opening else -np.inf)
    (np.minimum if opening else np.maximum).at(edge, quotes.game[counts], quotes.known[counts])
    return np.where(np.isfinite(edge), edge, np.nan)

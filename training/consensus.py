"""Prices one could have bet at: the books as one, by the same choice of quotes as the features, margin left in.

Yardsticks and bets both stand on these, so that a model, its yardstick and the price it is bet at never speak of
different books.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.betting.leagues import League
from core.betting.odds import FloatArray
from feature_store.columns import QuoteColumns, quote_columns
from feature_store.facts import Quote
from feature_store.joins import consensus, whole

Moment = Literal["open", "close"]


@dataclass(frozen=True, eq=False)
class Offers:
    """One price per game: the mean over the books that had quoted a whole moneyline before its start."""

    moment: Moment
    odds: FloatArray
    """Decimal, shape (games, outcomes); NaN where nobody offered that."""
    known_at: FloatArray
    """Seconds since 1970; NaN where there was no offer. With several books, of the close the last one's quote, of the
    opening the first one's: a bettor of that moment has not seen where the others opened, nor any price move."""

    @property
    def there(self) -> NDArray[np.bool_]:
        """Games that could be bet on."""
        return np.asarray(~np.isnan(self.odds).any(axis=1))


def offered(
    league: League, quotes: Sequence[Quote], game_ids: Sequence[str], starts: FloatArray, moment: Moment
) -> Offers:
    """The mean over the books of each one's first opening quote (open), or of its last quote of any kind (close).

    As in the features, a quote counts if it was known and shown by the game's start and has every side; means are
    taken of the probabilities and of the margins.
    """
    place = {game_id: number for number, game_id in enumerate(game_ids)}
    opening = moment == "open"
    columns = quote_columns([quote for quote in quotes if not opening or quote.moment == "open"], place)
    games = np.arange(len(game_ids))
    prices = consensus(columns, games, starts, starts, outcomes=league.outcomes, first=opening)
    odds = prices.odds if league.outcomes == 3 else prices.odds[:, ::2]
    return Offers(moment, odds, _known_at(columns, starts, league.outcomes, opening=opening))


def _known_at(quotes: QuoteColumns, starts: FloatArray, outcomes: int, *, opening: bool) -> FloatArray:
    """When the first of each game's quotes was known, or the last one."""
    start = starts[quotes.game]
    counts = whole(quotes, outcomes=outcomes) & (quotes.known <= start) & (quotes.quoted <= start)
    edge = np.full(len(starts), np.inf if opening else -np.inf)
    (np.minimum if opening else np.maximum).at(edge, quotes.game[counts], quotes.known[counts])
    return np.where(np.isfinite(edge), edge, np.nan)

"""Finds prices that are worth a bet: each book's best price, judged by the fresh prices of the other books."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from core.betting.books.best_price import BookPrice, best_price, quoted_bets
from core.betting.books.quotes import sides_of
from core.betting.market_pooling import MarketView
from core.betting.markets import MarketSelection, Pricing, price
from core.betting.scores import ScoreDistribution
from core.betting.value import Value
from core.errors import DbsbmError
from feature_store.rows.online import OnlineRow
from serving.bets.priced_games import PricedGame, PricedGames
from serving.bets.valuation import BetValuation
from serving.games.slate import GameKey, key_of
from serving.games.slate_quotes import SlateQuotes
from serving.predictions.predictor import GameForecast

ROOM: Final = 1.1
"""A price is looked at more closely if model or market would make it worth a bet with this factor: the pooled chance
lies between the two but for its normalisation."""


class FoundValue(NamedTuple):
    """A price that is worth a bet, with what it was judged by."""

    game: GameForecast
    bet: MarketSelection
    best: BookPrice
    pricing: Pricing
    value: Value
    valuation: BetValuation
    """Of the other books."""


@dataclass(frozen=True, eq=False)
class _Searched:
    """What was found for a game."""

    priced: PricedGame
    found: list[FoundValue]


class ValueSearch:
    """Searches games for value and keeps what it found until forecast or prices change. Thread-safe."""

    def __init__(self, priced_games: PricedGames, quotes: SlateQuotes) -> None:
        self._priced_games = priced_games
        self._quotes = quotes
        self._searched: dict[GameKey, _Searched] = {}

    def search(self, rows: Iterable[OnlineRow], now: datetime) -> tuple[list[FoundValue], int]:
        """Return what is worth a bet in these games to come, the surest edge first, and how many could be judged.

        Games without a forecast, or whose prices are too old or of too few books, are not judged.
        """
        self._searched = {key: held for key, held in self._searched.items() if held.priced.game.row.game.start_at > now}
        found, judged = [], 0
        for row in rows:
            quotes = self._quotes.of(row)
            if quotes.age(now).books > quotes.rule.least_books:
                of_game = self._of_game(key_of(row), now)
                judged += of_game is not None
                found += of_game or []
        return sorted(found, key=lambda one: -one.value.low), judged

    def _of_game(self, key: GameKey, now: datetime) -> list[FoundValue] | None:
        held = self._searched.get(key)
        try:
            if held is not None and self._priced_games.is_current(held.priced, now):
                return held.found
            priced = self._priced_games.make(key, now)
        except DbsbmError:
            return None  # the game's own route gives the reason
        found = list(_find(priced.valuation, priced.game, now))
        self._searched[key] = _Searched(priced, found)
        return found


def _find(valuation: BetValuation, game: GameForecast, now: datetime) -> Iterator[FoundValue]:
    fresh, outcomes = valuation.fresh_quotes, valuation.outcomes
    beside: dict[str, BetValuation] = {}
    for bet in quoted_bets(fresh, outcomes=outcomes):
        best = best_price(fresh, bet, outcomes=outcomes)
        assert best is not None  # noqa: S101 - a quoted bet has a price
        others = beside.setdefault(best.book, valuation.beside_others(best.book))
        price_by = partial(_price, bet=bet, ties=game.champion.ties)
        if others.reason_against(now, bet.market) is not None:
            continue
        if not _may_be_worth(others, bet, best, price_by(others.scores)):
            continue
        pricing, value = others.value(price_by, best.decimal)
        if value.is_certain:
            yield FoundValue(game, bet, best, pricing, value, others)


def _price(scores: ScoreDistribution, bet: MarketSelection, ties: str) -> Pricing:
    return price(scores, bet.market, bet.selection, bet.line, ties=ties)


def _may_be_worth(others: BetValuation, bet: MarketSelection, best: BookPrice, by_model: Pricing) -> bool:
    """Whether the edge may be above zero; True where the market's chance is not known without pooling."""
    chance = _market_chance(others.consensus.view, bet)
    if chance is None:
        return True
    decided = by_model.win + by_model.lose
    model = by_model.win / decided if decided > 0 else 0.0
    return ROOM * max(chance, model) * best.decimal > 1


def _market_chance(view: MarketView, bet: MarketSelection) -> float | None:
    """The chance of the bet by the other books, where they show the same line."""
    chances: dict[str, float | None] = {}
    if bet.market == "moneyline" and view.outcome is not None:
        chances = dict(zip(sides_of(len(view.outcome)), view.outcome, strict=True))
    elif bet.market == "total" and bet.line == view.total_line and view.over is not None:
        chances = {"over": view.over, "under": 1 - view.over}
    return chances.get(bet.selection)

"""Forecasts of games beside their prices, kept from request to request until either changes."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

from serving.bets.valuation import BetValuation
from serving.games.slate import GameKey
from serving.games.slate_quotes import GameQuotes, SlateQuotes
from serving.predictions.predictor import GameForecast, Predictor

MOST_GAMES: Final = 32
"""Games that are kept, the last requested ones; in point leagues some 2 MB each."""


@dataclass(frozen=True, eq=False)
class PricedGame:
    """A game's forecast and the valuation of bets on it, as of the quotes that were fresh."""

    game: GameForecast
    quotes: GameQuotes
    valuation: BetValuation


class PricedGames:
    """Forecasts games beside their prices, once for all bets on a game. Thread-safe."""

    def __init__(self, predictor: Predictor, quotes: SlateQuotes) -> None:
        self._predictor = predictor
        self._quotes = quotes
        self._kept: OrderedDict[GameKey, PricedGame] = OrderedDict()
        self._lock = Lock()

    def of(self, sport: str, league: str, game_id: str, now: datetime) -> PricedGame:
        """Return the game as it is now. Raises as ``Predictor.forecast`` does."""
        key = sport, league, game_id
        kept = self._kept.get(key)
        priced = kept if kept is not None and self.is_current(kept, now) else self.make(key, now)
        with self._lock:
            self._kept[key] = priced
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_GAMES:
                self._kept.popitem(last=False)
        return priced

    def make(self, key: GameKey, now: datetime) -> PricedGame:
        """Return the game, forecast anew and not kept. Raises as ``Predictor.forecast`` does."""
        game = self._predictor.forecast(*key, now)
        quotes = self._quotes.of(game.row)
        return PricedGame(game, quotes, BetValuation.of(game, quotes, now))

    def is_current(self, priced: PricedGame, now: datetime) -> bool:
        """Whether forecast, quotes and the number of fresh ones are still the same. Raises as ``make`` does."""
        quotes = self._quotes.of(priced.game.row)
        same_prices = quotes is priced.quotes and quotes.age(now).books == priced.valuation.fresh
        return same_prices and self._predictor.is_current(priced.game, now)

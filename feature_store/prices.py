"""What the market said about games by given moments: the books' latest quotes as one consensus."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.betting.odds import FloatArray
from feature_store.columns import Indices, QuoteColumns, last_known, starts_anew


class Prices(NamedTuple):
    """Consensus of the books: probabilities without their margin, expected home margin and expected total.

    None where no book had quoted the market.
    """

    home: float | None
    draw: float | None
    away: float | None
    spread_line: float | None
    total_line: float | None


@dataclass(frozen=True, eq=False)
class PriceColumns:
    """The same for many games at once; NaN where no book had quoted."""

    home: FloatArray
    draw: FloatArray
    away: FloatArray
    spread_line: FloatArray
    total_line: FloatArray

    @property
    def home_expectation(self) -> FloatArray:
        """P(home win) plus half of P(draw): what a rating's expected score means."""
        return self.home + np.nan_to_num(self.draw) / 2

    def __getitem__(self, place: int) -> Prices | None:
        """The prices of one game, None if nothing was quoted."""
        values = [float(column[place]) for column in self._columns()]
        shown = [None if value != value else value for value in values]
        return None if all(value is None for value in shown) else Prices(*shown)

    def _columns(self) -> tuple[FloatArray, ...]:
        return self.home, self.draw, self.away, self.spread_line, self.total_line


def consensus(quotes: QuoteColumns, game: Indices, at: FloatArray, start: FloatArray, *, outcomes: int) -> PriceColumns:
    """For each game the mean over the books of each one's latest quote known at ``at`` and shown by ``start``.

    Each market counts by itself: a book that last showed only a spread keeps its earlier moneyline. The margin
    is taken out in proportion (multiplicative): a learner corrects what that leaves of the long-shot bias, and
    it is defined for any odds above 1.
    """
    implied = 1 / quotes.odds
    if outcomes == 2:
        implied[:, 1] = 0.0
    fair = implied / implied.sum(axis=1, keepdims=True)
    sides = _mean_of_books(quotes, fair, game, at, start)
    spread = _mean_of_books(quotes, quotes.spread[:, None], game, at, start)[:, 0]
    total = _mean_of_books(quotes, quotes.total[:, None], game, at, start)[:, 0]
    draw = sides[:, 1] if outcomes == 3 else np.full(len(game), np.nan)
    return PriceColumns(sides[:, 0], draw, sides[:, 2], spread, total)


def _mean_of_books(
    quotes: QuoteColumns, values: FloatArray, game: Indices, at: FloatArray, start: FloatArray
) -> FloatArray:
    """Mean over books of the latest complete row of ``values``; shape (games asked, columns of values)."""
    shown = ~np.isnan(values).any(axis=1)
    values, of_game, book = values[shown], quotes.game[shown], quotes.book[shown]
    known, quoted = quotes.known[shown], quotes.quoted[shown]
    answer = np.full((len(game), values.shape[1]), np.nan)
    if not len(values):
        return answer
    fresh = starts_anew(of_game, book)
    first, series = np.flatnonzero(fresh), np.cumsum(fresh) - 1
    low = np.searchsorted(of_game[first], game, side="left")
    books = np.searchsorted(of_game[first], game, side="right") - low
    asked = np.repeat(np.arange(len(game)), books)
    wanted = low[asked] + np.arange(len(asked)) - np.repeat(np.cumsum(books) - books, books)
    place = last_known(series, known, wanted, at[asked])
    place = _shown_before(place, series, quoted, start[asked])
    found = place >= 0
    asked, place = asked[found], place[found]
    counts = np.bincount(asked, minlength=len(game))
    sums = [np.bincount(asked, column[place], minlength=len(game)) for column in values.T]
    priced = counts > 0
    answer[priced] = (np.stack(sums, axis=1)[priced]) / counts[priced, None]
    return answer


def _shown_before(place: Indices, series: Indices, quoted: FloatArray, start: FloatArray) -> Indices:
    """Step back within each series past quotes that were shown after the start."""
    place = place.copy()
    while (late := (place >= 0) & (quoted[np.maximum(place, 0)] > start)).any():
        before = place - 1
        same = (before >= 0) & (series[np.maximum(before, 0)] == series[np.maximum(place, 0)])
        place = np.where(late, np.where(same, before, -1), place)
    return place

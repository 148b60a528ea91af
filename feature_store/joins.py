"""The point-in-time joins, compiled: which version of a fact, and which prices, were known by a moment.

Every cut-off in this room goes through these two functions.
"""

import numpy as np
from numba import njit

from core.betting.odds import FloatArray
from feature_store.columns import Indices, QuoteColumns
from feature_store.prices import PriceColumns


def last_known(group: Indices, known: FloatArray, at_group: Indices, at: FloatArray) -> Indices:
    """For each (group, moment) the place of the group's last entry known by then, or -1.

    The entries are sorted by group and known at.
    """
    place: Indices = _last_known(*_ranges(group, at_group), known, at)
    return place


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
    first, last = _ranges(quotes.game, game)

    def latest(values: FloatArray) -> FloatArray:
        answer: FloatArray = _mean_of_books(first, last, quotes.book, quotes.known, quotes.quoted, values, at, start)
        return answer

    sides = latest(fair)
    draw = sides[:, 1] if outcomes == 3 else np.full(len(game), np.nan)
    spread, total = latest(quotes.spread.reshape(-1, 1)), latest(quotes.total.reshape(-1, 1))
    return PriceColumns(sides[:, 0], draw, sides[:, 2], spread[:, 0], total[:, 0])


def _ranges(group: Indices, at_group: Indices) -> tuple[Indices, Indices]:
    """Where each asked group's entries begin and end among the sorted entries."""
    groups = max(int(group.max(initial=-1)), int(at_group.max(initial=-1))) + 1
    ends = np.cumsum(np.bincount(group, minlength=groups))
    begins = np.concatenate((np.zeros(1, dtype=np.int64), ends))
    return begins[at_group], ends[at_group]


@njit(cache=True)
def _last_known(first, last, known, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    places = np.full(len(at), -1, dtype=np.int64)
    for asked in range(len(at)):
        for place in range(last[asked] - 1, first[asked] - 1, -1):
            if known[place] <= at[asked]:
                places[asked] = place
                break
    return places


@njit(cache=True)
def _mean_of_books(first, last, book, known, quoted, values, at, start):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The mean over books of the last complete row of ``values``; NaN where no book has one."""
    width = values.shape[1]
    means = np.full((len(at), width), np.nan)
    for asked in range(len(at)):
        books = 0
        chosen = -1
        for place in range(first[asked], last[asked]):
            if known[place] <= at[asked] and quoted[place] <= start[asked] and not np.isnan(values[place]).any():
                chosen = place
            if chosen >= 0 and (place + 1 == last[asked] or book[place + 1] != book[place]):
                for column in range(width):
                    before = means[asked, column] if books else 0.0
                    means[asked, column] = before + values[chosen, column]
                books += 1
                chosen = -1
        if books > 1:
            means[asked] /= books
    return means

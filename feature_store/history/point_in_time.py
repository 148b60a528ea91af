"""The point-in-time joins, compiled: which version of a fact, and which prices, were known by a moment.

Every cut-off in the feature store goes through these functions.
"""

import numpy as np

from core.arrays import FloatArray
from feature_store.history.compiled import compiled
from feature_store.history.fact_columns import Flags, Indices, QuoteColumns
from feature_store.history.prices import PriceColumns

LATEST, FIRST, FIRST_OF_SEVERAL, LATEST_OF_SEVERAL = 0, 1, 2, 3
"""Which of a book's quotes counts."""


def last_known(group: Indices, known: FloatArray, at_group: Indices, at: FloatArray) -> Indices:
    """For each (group, moment) the place of the group's last entry known by then, or -1.

    The entries are sorted by group and known at.
    """
    place: Indices = _last_known(*_ranges(group, at_group), known, at)
    return place


def consensus(
    quotes: QuoteColumns, game: Indices, at: FloatArray, start: FloatArray, *, outcomes: int, first: bool = False
) -> PriceColumns:
    """For each game the mean over the books of each one's latest quote known at ``at`` and shown by ``start``.

    Or of its ``first`` one. Each market counts by itself: a book that last showed only a spread keeps its earlier
    moneyline. The overround is taken out in proportion (multiplicative de-vig): a learner corrects what that leaves of
    the long-shot bias, and it is defined for any odds above 1.
    """
    return _consensus(quotes, game, at, start, outcomes, FIRST if first else LATEST)


def moved(
    quotes: QuoteColumns, game: Indices, at: FloatArray, start: FloatArray, *, outcomes: int
) -> tuple[PriceColumns, PriceColumns]:
    """The consensus of each book's first quote and that of its latest, among the books that had shown several by then.

    A book that quoted once is in neither: whether its price has moved is not known, and the two are to be compared.
    """
    first, latest = (
        _consensus(quotes, game, at, start, outcomes, which) for which in (FIRST_OF_SEVERAL, LATEST_OF_SEVERAL)
    )
    return first, latest


def whole(quotes: QuoteColumns, *, outcomes: int) -> Flags:
    """Quotes that show every side of the moneyline."""
    return np.asarray(~np.isnan(_implied(quotes, outcomes)).any(axis=1))


def _consensus(
    quotes: QuoteColumns, game: Indices, at: FloatArray, start: FloatArray, outcomes: int, which: int
) -> PriceColumns:
    home, draw, away, overround, spread, total, over = _means_of_books(
        *_ranges(quotes.game, game),
        quotes.book,
        quotes.known,
        quotes.quoted,
        *_shown(quotes, outcomes),
        at,
        start,
        which,
    )
    draw = draw if outcomes == 3 else np.full(len(game), np.nan)
    return PriceColumns(home, draw, away, spread, total, over, overround)


def _shown(quotes: QuoteColumns, outcomes: int) -> tuple[FloatArray, Flags]:
    """Each quote's markets side by side, made once, and which of them it shows whole.

    Probabilities without the overround and the overround itself are one market; spread, total and P(over) one each.
    """
    if outcomes not in quotes.shown:
        implied = _implied(quotes, outcomes)
        booked = implied.sum(axis=1)
        values = np.column_stack((implied / booked[:, None], booked - 1, quotes.spread, quotes.total, quotes.over))
        there = ~np.isnan(values)
        quotes.shown[outcomes] = values, np.column_stack((there[:, :4].all(axis=1), there[:, 4:]))
    return quotes.shown[outcomes]


def _implied(quotes: QuoteColumns, outcomes: int) -> FloatArray:
    """Implied probabilities of home, draw and away; a draw that is no outcome has none."""
    implied = np.asarray(1 / quotes.odds)
    if outcomes == 2:
        implied[:, 1] = 0.0
    return implied


def _ranges(group: Indices, at_group: Indices) -> tuple[Indices, Indices]:
    """Where each requested group's entries begin and end among the sorted entries."""
    groups = max(int(group.max(initial=-1)), int(at_group.max(initial=-1))) + 1
    ends = np.cumsum(np.bincount(group, minlength=groups))
    begins = np.concatenate((np.zeros(1, dtype=np.int64), ends))
    return begins[at_group], ends[at_group]


@compiled
def _last_known(first, last, known, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    places = np.full(len(at), -1, dtype=np.int64)
    for row in range(len(at)):
        for place in range(last[row] - 1, first[row] - 1, -1):
            if known[place] <= at[row]:
                places[row] = place
                break
    return places


@compiled
def _means_of_books(begin, end, book, known, quoted, shown, whole, at, start, which):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Per market the mean over books of the quote that ``which`` selects among those showing it whole; NaN without one.

    ``shown`` has the moneyline in columns 0 to 3 and one market in each of the others; so have the rows returned.
    """
    means = np.full((7, len(at)), np.nan)
    sums, books = np.zeros(7), np.zeros(4, dtype=np.int64)
    chosen, times = np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64)
    for row in range(len(at)):
        sums[:], books[:], place = 0.0, 0, begin[row]
        while place < end[row]:
            place = _choose(place, end[row], book, known, quoted, whole, (at[row], start[row]), which, chosen, times)
            for market in range(4):
                quoted_once = times[market] == 1 and which in (FIRST_OF_SEVERAL, LATEST_OF_SEVERAL)
                if times[market] and not quoted_once:
                    books[market] += 1
                    for column in range(0 if market == 0 else market + 3, market + 4):
                        sums[column] += shown[chosen[market], column]
        for market in range(4):
            if books[market]:
                for column in range(0 if market == 0 else market + 3, market + 4):
                    means[column, row] = sums[column] / books[market]
    return means


@compiled
def _choose(place, end, book, known, quoted, whole, by, which, chosen, times):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """For the book whose quotes begin at ``place``, count by market how often it showed it whole and note which counts.

    Returns where the next book begins.
    """
    own = book[place]
    times[:] = 0
    while place < end and book[place] == own:
        if known[place] <= by[0] and quoted[place] <= by[1]:
            for market in range(4):
                if whole[place, market]:
                    times[market] += 1
                    if times[market] == 1 or which in (LATEST, LATEST_OF_SEVERAL):
                        chosen[market] = place
        place += 1
    return place

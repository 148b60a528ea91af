"""The point-in-time joins, compiled: which version of a fact, and which prices, were known by a moment.

Every cut-off in this room goes through these functions.
"""

import numpy as np

from core.betting.odds import FloatArray
from feature_store.columns import Flags, Indices, QuoteColumns
from feature_store.compiled import compiled
from feature_store.prices import PriceColumns

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
    moneyline. The margin is taken out in proportion (multiplicative): a learner corrects what that leaves of the
    long-shot bias, and it is defined for any odds above 1.
    """
    return _consensus(quotes, game, at, start, outcomes, FIRST if first else LATEST)


def moved(
    quotes: QuoteColumns, game: Indices, at: FloatArray, start: FloatArray, *, outcomes: int
) -> tuple[PriceColumns, PriceColumns]:
    """The same of each book's first quote and of its latest, both among the books that had shown several by then.

    A book that spoke once is in neither: whether its price has moved is not known, and the two are to be compared.
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
    shown = _shown(quotes, outcomes)
    home, draw, away, overround, spread, total, over = _means_of_books(
        *_ranges(quotes.game, game), quotes.book, quotes.known, quotes.quoted, shown, at, start, which
    )
    draw = draw if outcomes == 3 else np.full(len(game), np.nan)
    return PriceColumns(home, draw, away, spread, total, over, overround)


def _shown(quotes: QuoteColumns, outcomes: int) -> FloatArray:
    """Each quote's markets side by side, made once: probabilities without the margin, the margin, lines, P(over)."""
    if outcomes not in quotes.shown:
        implied = _implied(quotes, outcomes)
        booked = implied.sum(axis=1)
        markets = (implied / booked[:, None], booked - 1, quotes.spread, quotes.total, quotes.over)
        quotes.shown[outcomes] = np.column_stack(markets)
    return quotes.shown[outcomes]


def _implied(quotes: QuoteColumns, outcomes: int) -> FloatArray:
    """Implied probabilities of home, draw and away; a draw that is no outcome has none."""
    implied = np.asarray(1 / quotes.odds)
    if outcomes == 2:
        implied[:, 1] = 0.0
    return implied


def _ranges(group: Indices, at_group: Indices) -> tuple[Indices, Indices]:
    """Where each asked group's entries begin and end among the sorted entries."""
    groups = max(int(group.max(initial=-1)), int(at_group.max(initial=-1))) + 1
    ends = np.cumsum(np.bincount(group, minlength=groups))
    begins = np.concatenate((np.zeros(1, dtype=np.int64), ends))
    return begins[at_group], ends[at_group]


@compiled
def _last_known(first, last, known, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    places = np.full(len(at), -1, dtype=np.int64)
    for asked in range(len(at)):
        for place in range(last[asked] - 1, first[asked] - 1, -1):
            if known[place] <= at[asked]:
                places[asked] = place
                break
    return places


@compiled
def _means_of_books(begin, end, book, known, quoted, shown, at, start, which):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Per market the mean over books of what ``which`` asks of the times each showed it whole; NaN without one.

    ``shown`` has the moneyline in columns 0 to 3 and a market in each of the others; so have the lines of the answer.
    """
    means = np.full((7, len(at)), np.nan)
    for asked in range(len(at)):
        for market in range(4):
            columns = (0, 4) if market == 0 else (market + 3, market + 4)
            books = 0
            place = begin[asked]
            while place < end[asked]:
                chosen, place = _chosen(
                    place, end[asked], book, known, quoted, shown, columns, (at[asked], start[asked]), which
                )
                if chosen < 0:
                    continue
                for column in range(columns[0], columns[1]):
                    before = means[column, asked] if books else 0.0
                    means[column, asked] = before + shown[chosen, column]
                books += 1
            if books > 1:
                for column in range(columns[0], columns[1]):
                    means[column, asked] /= books
    return means


@compiled
def _chosen(place, end, book, known, quoted, shown, columns, by, which):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Of the book whose quotes begin at ``place``: the quote that counts, or -1; and where the next book begins."""
    own, chosen, times = book[place], -1, 0
    while place < end and book[place] == own:
        whole = known[place] <= by[0] and quoted[place] <= by[1]
        for column in range(columns[0], columns[1]):
            whole = whole and not np.isnan(shown[place, column])
        if whole:
            times += 1
            if times == 1 or which in (LATEST, LATEST_OF_SEVERAL):
                chosen = place
        place += 1
    spoke_once = times == 1 and which in (FIRST_OF_SEVERAL, LATEST_OF_SEVERAL)
    return (-1 if spoke_once else chosen), place

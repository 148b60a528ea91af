"""How the price of one bet has moved at each book, and where several books moved together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

LEAST_MOVE: Final = 0.01
"""Smaller changes of a probability are noise of rounding and of the books' own balance."""

STEAM_BOOKS: Final = 3
STEAM_WINDOW: Final = timedelta(minutes=15)
"""Steam: at least so many books move the same way within this time. One book alone may only correct itself."""

ShiftOf = Callable[[float, float], float]
"""How much likelier the bet is at the second line than at the first one."""


class PricePoint(NamedTuple):
    """What a book showed from a moment on; ``chance`` is the probability without overround."""

    at: datetime
    decimal: float
    chance: float
    line: float | None = None


@dataclass(frozen=True)
class BookMovement:
    """A book's price from its opening to now."""

    book: str
    opening: PricePoint
    latest: PricePoint
    moved: float
    """Change of the probability; a changed line counts by what it is worth."""
    changes: int
    """Number of times that the price has changed."""


@dataclass(frozen=True)
class Steam:
    """Several books that moved the same way within a short time."""

    since: datetime
    until: datetime
    books: tuple[str, ...]
    moved: float
    """Mean change of the probability."""


def book_movement(book: str, points: Sequence[PricePoint], shift_of: ShiftOf) -> BookMovement:
    """The movement of one book's price; ``points`` are in order of time, at least one."""
    return BookMovement(book, points[0], points[-1], _move(points[0], points[-1], shift_of), len(points) - 1)


def find_steam(points_by_book: Mapping[str, Sequence[PricePoint]], shift_of: ShiftOf) -> list[Steam]:
    """Where several books moved together, in order of time; each move belongs to one steam at most.

    A book's moves of the same direction within the time count as one. From the earliest move on, the moves of other
    books in the same direction within ``STEAM_WINDOW`` are collected.
    """
    moves = sorted(
        (point.at, book, change)
        for book, points in points_by_book.items()
        for point, change in _changes(points, shift_of)
        if abs(change) >= LEAST_MOVE
    )
    found: list[Steam] = []
    for upward in (True, False):
        own = [move for move in moves if (move[2] > 0) == upward]
        while own:
            together = [move for move in own if move[0] - own[0][0] <= STEAM_WINDOW]
            by_book: dict[str, float] = {}
            for _, book, change in together:
                by_book[book] = by_book.get(book, 0.0) + change
            if len(by_book) >= STEAM_BOOKS:
                mean = float(np.mean(list(by_book.values())))
                found.append(Steam(together[0][0], together[-1][0], tuple(sorted(by_book)), mean))
                own = own[len(together) :]
            else:
                own = own[1:]
    return sorted(found, key=lambda steam: steam.since)


def _changes(points: Sequence[PricePoint], shift_of: ShiftOf) -> Iterator[tuple[PricePoint, float]]:
    for before, after in pairwise(points):
        yield after, _move(before, after, shift_of)


def _move(before: PricePoint, after: PricePoint, shift_of: ShiftOf) -> float:
    """The chance now at its own line, less what the new line is worth, against the chance before.

    A side whose line becomes harder at the same odds has become likelier by the chance between the two lines.
    """
    change = after.chance - before.chance
    if before.line is None or after.line is None or before.line == after.line:
        return change
    return change - shift_of(before.line, after.line)

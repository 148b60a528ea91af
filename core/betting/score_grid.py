"""Masses of all scores of a game, and what the scores of each outcome amount to."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray


class Region(NamedTuple):
    """Some of the scores: their mass, and their margins and totals weighted by it."""

    mass: float
    margin: float
    total: float


class Regions(NamedTuple):
    """The scores of a home win, level ones, and those of an away win."""

    home: Region
    draw: Region
    away: Region

    @classmethod
    def of(cls, sums: Sequence[float]) -> "Regions":
        """From the eight sums of ``statistics``."""
        home, draw, away, home_margin, away_margin, home_total, draw_total, away_total = sums
        return cls(
            Region(home, home_margin, home_total), Region(draw, 0.0, draw_total), Region(away, away_margin, away_total)
        )


@dataclass(frozen=True, eq=False)
class Cells:
    """Masses of all scores before they are moved to an outcome; they sum to 1."""

    regions: Regions
    _made: Callable[[], FloatArray]

    @cached_property
    def masses(self) -> FloatArray:
        """A row for each score of the home side, a column for each of the away side; made when first asked for."""
        return self._made()

    @classmethod
    def of(cls, grid: FloatArray) -> "Cells":
        """From masses that are there already."""
        return cls(Regions.of(np.tensordot(statistics(len(grid)), grid, axes=2).tolist()), lambda: grid)


def by_size(sizes: Sequence[int], made: Callable[[int, list[int]], Iterable[Cells]]) -> list[Cells]:
    """The cells of all games, those of one size made together: ``made`` is given the size and the games' places."""
    places_of: dict[int, list[int]] = {}
    for place, size in enumerate(sizes):
        places_of.setdefault(size, []).append(place)
    cells = {
        place: one for size, places in places_of.items() for place, one in zip(places, made(size, places), strict=True)
    }
    return [cells[place] for place in range(len(sizes))]


@lru_cache(maxsize=16)
def statistics(size: int) -> FloatArray:
    """What is summed over a grid to know its regions, shape (8, size, size). Not to be written to.

    Mass of home wins, draws and away wins; margin of home and away wins; total of home wins, draws and away wins.
    """
    home, away = np.indices((size, size), dtype=np.float64)
    regions = home > away, home == away, home < away
    margins, totals = home - away, home + away
    sums = (*regions, regions[0] * margins, regions[2] * margins, *(region * totals for region in regions))
    return np.array(sums, dtype=np.float64)

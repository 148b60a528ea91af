"""The masses of all scores of a game, and their sums by outcome."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray


class Region(NamedTuple):
    """A set of scores: their mass, and their margins and totals weighted by it."""

    mass: float
    margin: float
    total: float


class Regions(NamedTuple):
    """The scores of a home win, level scores, and those of an away win."""

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
class ScoreGrid:
    """Masses of all scores of a game, which sum to 1, and their sums by outcome."""

    regions: Regions
    _compute: Callable[[], FloatArray]

    @cached_property
    def masses(self) -> FloatArray:
        """A row for each score of the home side, a column for each of the away side; computed at the first use."""
        return self._compute()

    @classmethod
    def of(cls, grid: FloatArray) -> "ScoreGrid":
        """From masses that are computed already."""
        return cls(Regions.of(np.tensordot(statistics(len(grid)), grid, axes=2).tolist()), lambda: grid)


def by_size(sizes: Sequence[int], grids_of: Callable[[int, list[int]], Iterable[ScoreGrid]]) -> list[ScoreGrid]:
    """The grids of all games: ``grids_of`` computes those of one size together, from the size and the games' places."""
    places_of: dict[int, list[int]] = {}
    for place, size in enumerate(sizes):
        places_of.setdefault(size, []).append(place)
    grids = {
        place: one
        for size, places in places_of.items()
        for place, one in zip(places, grids_of(size, places), strict=True)
    }
    return [grids[place] for place in range(len(sizes))]


@lru_cache(maxsize=16)
def statistics(size: int) -> FloatArray:
    """The weights whose sums over a grid are its regions, shape (8, size, size). Cached, so read-only.

    Mass of home wins, draws and away wins; margin of home and away wins; total of home wins, draws and away wins.
    """
    home, away = np.indices((size, size), dtype=np.float64)
    regions = home > away, home == away, home < away
    margins, totals = home - away, home + away
    sums = (*regions, regions[0] * margins, regions[2] * margins, *(region * totals for region in regions))
    return np.array(sums, dtype=np.float64)

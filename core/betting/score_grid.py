"""The masses of all scores of a game, and their sums by outcome."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
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


@dataclass(frozen=True, eq=False)
class ScoreGrids:
    """The scores of many games: their sums by outcome, computed together, and each game's masses when they are used."""

    sums: FloatArray
    """The eight sums of ``statistics`` over each grid, shape (8, games)."""
    _masses_of: Callable[[int], FloatArray]

    def __getitem__(self, game: int) -> ScoreGrid:
        return ScoreGrid(Regions.of(self.sums[:, game].tolist()), partial(self._masses_of, game))


def by_size(sizes: Sequence[int], grids_of: Callable[[int, list[int]], ScoreGrids]) -> ScoreGrids:
    """The grids of all games: ``grids_of`` computes those of one size together, from the size and the games' places."""
    places_of: dict[int, list[int]] = {}
    for place, size in enumerate(sizes):
        places_of.setdefault(size, []).append(place)
    parts = {size: grids_of(size, places) for size, places in places_of.items()}
    if len(parts) == 1:
        return next(iter(parts.values()))
    sums, rank = np.empty((8, len(sizes))), np.empty(len(sizes), dtype=np.intp)
    for size, places in places_of.items():
        sums[:, places], rank[places] = parts[size].sums, np.arange(len(places))
    return ScoreGrids(sums, lambda game: parts[sizes[game]][int(rank[game])].masses)


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

"""What the scores of a home win, of a draw and of an away win amount to: nine sums over a grid of scores."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

import numpy as np

from core.betting.odds import FloatArray

SMALL_GRID: Final = 64
"""Up to this size all sums over a grid are one product with a matrix that is remembered; beyond, it would be large."""


class Region(NamedTuple):
    """Some of the scores: their mass, and their margins and totals weighted by it."""

    mass: float
    margin: float
    total: float


@dataclass(frozen=True, eq=False)
class Cells:
    """Masses of all scores before they are moved to an outcome; they sum to 1."""

    masses: FloatArray

    @cached_property
    def regions(self) -> tuple[Region, Region, Region]:
        """What the scores of a home win, of a draw and of an away win amount to."""
        if len(self.masses) > SMALL_GRID:
            away_wins = np.triu(self.masses, 1)
            return _region(np.tril(self.masses, -1)), _region(np.diag(self.masses.diagonal())), _region(away_wins)
        home, draw, away, home_margin, away_margin, *totals = (
            _statistics(len(self.masses)) @ self.masses.ravel()
        ).tolist()
        return (
            Region(home, home_margin, totals[0]),
            Region(draw, 0.0, totals[1]),
            Region(away, away_margin, totals[2]),
        )


def _region(masses: FloatArray) -> Region:
    """The masses of some scores, 0 at all others."""
    counts, by_home, by_away = np.arange(len(masses)), masses.sum(axis=1), masses.sum(axis=0)
    home, away = float(by_home @ counts), float(by_away @ counts)
    return Region(float(by_home.sum()), home - away, home + away)


@lru_cache(maxsize=16)
def _statistics(size: int) -> FloatArray:
    """What is summed over a grid to know its regions, shape (8, size * size). Not to be written to.

    Mass of home wins, draws and away wins; margin of home and away wins; total of home wins, draws and away wins.
    """
    home, away = np.indices((size, size), dtype=np.float64)
    regions = home > away, home == away, home < away
    margins, totals = home - away, home + away
    sums = (*regions, regions[0] * margins, regions[2] * margins, *(region * totals for region in regions))
    return np.array([one.ravel() for one in sums], dtype=np.float64)

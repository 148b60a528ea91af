"""One joint distribution of the two final scores, from which every market is summed.

Moneyline, spread, total and score markets are sums over the same cells, so they cannot contradict each other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.arrays import FloatArray, sum_in_order
from core.betting.score_grid import Region, ScoreGrid, ScoreGrids
from core.errors import ValidationError


@dataclass(frozen=True)
class Outcome:
    """Probabilities of home win, draw and away win; they sum to 1. ``draw`` is a push in two-way leagues."""

    home: float
    draw: float
    away: float

    @property
    def decided_home(self) -> float:
        """P(home wins), given that the game is not level."""
        return self.home / (self.home + self.away)


@dataclass(frozen=True, eq=False)
class ScoreDistribution:
    """The joint distribution of both final scores: a grid, and factors that move the mass of each outcome."""

    _base: ScoreGrid
    _factors: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Of the cells of a home win, of level scores, and of an away win."""
    overtime_share: float | None = None
    """Share of the games won by one that were level after regulation; None if overtime does not end at one goal."""

    @classmethod
    def of(cls, grid: FloatArray) -> "ScoreDistribution":
        """``grid[h, a]`` is the probability that the home side ends on h and the away side on a; it sums to 1."""
        return cls(ScoreGrid.of(grid))

    def with_overtime(self, overtime_share: float | None) -> "ScoreDistribution":
        """The same final scores, of a sport whose level games end at the next goal, as in hockey.

        ``overtime_share`` is the share of the games won by one that were level after regulation.
        """
        return ScoreDistribution(self._base, self._factors, overtime_share)

    def require_regulation(self) -> float:
        """Return ``overtime_share``. Raises ValidationError if overtime does not end at one goal."""
        if self.overtime_share is None:
            raise ValidationError("market: this league has no market on regulation time.", field="market")
        return self.overtime_share

    @cached_property
    def regulation(self) -> "ScoreDistribution":
        """The scores after regulation, before the one goal of overtime or a shoot-out.

        Of the games that end k+1 to k either way, the share ``overtime_share`` was level at k. Raises ValidationError
        if that share is None.
        """
        share = self.require_regulation()
        grid, narrow = self.grid.copy(), np.arange(len(self.grid) - 1)
        for home, away in ((narrow + 1, narrow), (narrow, narrow + 1)):
            grid[narrow, narrow] += share * self.grid[home, away]
            grid[home, away] *= 1 - share
        return ScoreDistribution.of(grid)

    def with_outcome(self, outcome: Outcome) -> "ScoreDistribution":
        """The same distribution with the masses of home win, draw and away win set to ``outcome``.

        Within each of the three the ratios between scores stay as they are.
        """
        masses = np.array([region.mass for region in self._base.regions])
        home, draw, away = _factors_of(masses, np.array((outcome.home, outcome.draw, outcome.away))).tolist()
        return ScoreDistribution(self._base, (home, draw, away), self.overtime_share)

    @cached_property
    def grid(self) -> FloatArray:
        """``grid[h, a]``: the probability that the home side ends on h and the away side on a; it sums to 1."""
        if self._factors == (1.0, 1.0, 1.0):
            return self._base.masses
        home, draw, away = self._factors
        home_wins = np.tri(len(self._base.masses), k=-1)
        factors = home_wins * home + home_wins.T * away
        np.fill_diagonal(factors, draw)
        return self._base.masses * factors

    @cached_property
    def margins(self) -> FloatArray:
        """P(home score - away score = m) for m from ``-(size-1)`` to ``size-1``."""
        return _diagonals(self.grid[:, ::-1])

    @cached_property
    def totals(self) -> FloatArray:
        """P(home score + away score = t) for t from 0."""
        return _diagonals(self.grid)

    @cached_property
    def home_scores(self) -> FloatArray:
        """P(home score = s) for s from 0."""
        return np.asarray(self.grid.sum(axis=1))

    @cached_property
    def away_scores(self) -> FloatArray:
        """P(away score = s) for s from 0."""
        return np.asarray(self.grid.sum(axis=0))

    @cached_property
    def outcome(self) -> Outcome:
        """Home win, draw, away win."""
        return Outcome(*(factor * region.mass for factor, region in self._scaled_regions()))

    @property
    def margin_mean(self) -> float:
        """Expected home score minus away score."""
        return sum_in_order(factor * region.margin for factor, region in self._scaled_regions())

    @property
    def total_mean(self) -> float:
        """Expected sum of both scores."""
        return sum_in_order(factor * region.total for factor, region in self._scaled_regions())

    def _scaled_regions(self) -> Iterable[tuple[float, Region]]:
        return zip(self._factors, self._base.regions, strict=True)


@dataclass(frozen=True, eq=False)
class ScoreDistributions:
    """The score distributions of many games, with their outcomes and means computed together."""

    _base: ScoreGrids
    _factors: FloatArray
    """As those of one distribution, shape (3, games)."""
    _overtime_share: float | None = None

    @classmethod
    def of(cls, grids: ScoreGrids, overtime_share: float | None) -> "ScoreDistributions":
        """From the scores of each game."""
        return cls(grids, np.ones((3, grids.sums.shape[1])), overtime_share)

    def __getitem__(self, game: int) -> ScoreDistribution:
        home, draw, away = self._factors[:, game].tolist()
        return ScoreDistribution(self._base[game], (home, draw, away), self._overtime_share)

    def with_outcomes(self, outcomes: FloatArray) -> "ScoreDistributions":
        """As ``ScoreDistribution.with_outcome`` for each game; ``outcomes`` has shape (3, games)."""
        return ScoreDistributions(self._base, _factors_of(self._base.sums[:3], outcomes), self._overtime_share)

    @property
    def numbers(self) -> FloatArray:
        """Home win, draw, away win, mean margin and mean total, shape (5, games).

        The same to the last bit as each distribution's own: ``sum_in_order`` begins at zero, and so does this.
        """
        home, draw, away = self._factors
        home_margin, away_margin, home_total, draw_total, away_total = self._base.sums[3:]
        margins = 0.0 + home * home_margin + draw * 0.0 + away * away_margin
        totals = 0.0 + home * home_total + draw * draw_total + away * away_total
        return np.stack((*(self._factors * self._base.sums[:3]), margins, totals))


def _diagonals(grid: FloatArray) -> FloatArray:
    """Sums of the cells ``[i, j]`` by i + j: in rows one cell too short, each row starts one column further right."""
    size = len(grid)
    wide = np.zeros((size, 2 * size))
    wide[:, :size] = grid
    return np.asarray(wide.ravel()[: size * (2 * size - 1)].reshape(size, 2 * size - 1).sum(axis=0))


def _factors_of(masses: FloatArray, outcomes: FloatArray) -> FloatArray:
    """What the cells of each outcome are multiplied by, so that the outcomes have these probabilities.

    All have shape (3,) or (3, games), in the order home win, draw, away win.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(masses > 0, outcomes / masses, 0.0)
        home, draw, away = ratios * masses
        return np.asarray(ratios / (home + draw + away))

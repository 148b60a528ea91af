"""One joint distribution of the two final scores, from which every market is summed.

Because moneyline, spread, total and score markets are sums over the same cells, they cannot contradict
each other.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, nbdtrik, ndtr, pdtrik, xlog1py, xlogy

from core.betting.odds import FloatArray

SMALLEST_MEAN: Final = 0.05
"""No side of a game is expected to score less than this."""

TAIL_DEVIATIONS: Final = 7.0
"""A grid of points reaches this many standard deviations past the mean; the rest is below 1e-11."""

TAIL: Final = 1e-10
"""A grid of goals ends where less than this is left above it: counts have heavier tails than a normal variable."""


@dataclass(frozen=True)
class Outcome:
    """Probabilities of home win, draw and away win; they sum to 1. ``draw`` is a push in two-way leagues."""

    home: float
    draw: float
    away: float

    @property
    def decided_home(self) -> float:
        """P(home wins) given that somebody wins."""
        return self.home / (self.home + self.away)


@dataclass(frozen=True, eq=False)
class ScoreDistribution:
    """``grid[h, a]`` is the probability that the home side ends on h and the away side on a; it sums to 1."""

    grid: FloatArray

    @classmethod
    def of_goals(cls, home_mean: float, away_mean: float, dispersion: float = 1.0) -> "ScoreDistribution":
        """Independent counts with the given means.

        ``dispersion`` is variance over mean: 1 is Poisson (Maher 1982), above 1 negative binomial.
        """
        home_mean, away_mean = max(home_mean, SMALLEST_MEAN), max(away_mean, SMALLEST_MEAN)
        size = _reach(max(home_mean, away_mean, 2.0), dispersion) + 1
        return cls._normalised(np.outer(_counts(home_mean, dispersion, size), _counts(away_mean, dispersion, size)))

    @classmethod
    def of_points(
        cls, margin_mean: float, total_mean: float, margin_deviation: float, total_deviation: float
    ) -> "ScoreDistribution":
        """Margin and total as independent normal variables, discretised to whole scores of equal parity.

        A total smaller than the margin would need negative scores; it is raised to the margin.
        """
        total_mean = max(total_mean, abs(margin_mean))
        reach = TAIL_DEVIATIONS * max(margin_deviation, total_deviation)
        size = int(np.ceil((total_mean + abs(margin_mean) + 2 * reach) / 2)) + 2
        home, away = np.ogrid[:size, :size]
        margins = _discretised(np.arange(-size + 1, size), margin_mean, margin_deviation)
        totals = _discretised(np.arange(2 * size - 1), total_mean, total_deviation)
        return cls._normalised(margins[home - away + size - 1] * totals[home + away])

    @classmethod
    def _normalised(cls, grid: FloatArray) -> "ScoreDistribution":
        return cls(grid / grid.sum())

    def tilted(self, outcome: Outcome) -> "ScoreDistribution":
        """The same distribution with the masses of home win, draw and away win moved to ``outcome``.

        Within each of the three the odds between scores stay as they were.
        """
        today = self.outcome
        size = len(self.grid)
        home, draw = np.tri(size, k=-1), np.eye(size)
        away = home.T
        factors = (
            home * _ratio(outcome.home, today.home)
            + draw * _ratio(outcome.draw, today.draw)
            + away * _ratio(outcome.away, today.away)
        )
        return self._normalised(self.grid * factors)

    @cached_property
    def margins(self) -> FloatArray:
        """P(home score - away score = m) for m from ``-(size-1)`` to ``size-1``."""
        size = len(self.grid)
        home, away = np.indices(self.grid.shape)
        masses = np.bincount((home - away + size - 1).ravel(), self.grid.ravel(), minlength=2 * size - 1)
        return masses.astype(np.float64)

    @cached_property
    def totals(self) -> FloatArray:
        """P(home score + away score = t) for t from 0."""
        home, away = np.indices(self.grid.shape)
        return np.bincount((home + away).ravel(), self.grid.ravel()).astype(np.float64)

    @cached_property
    def outcome(self) -> Outcome:
        """Home win, draw, away win."""
        zero = len(self.grid) - 1
        return Outcome(
            home=float(self.margins[zero + 1 :].sum()),
            draw=float(self.margins[zero]),
            away=float(self.margins[:zero].sum()),
        )

    @property
    def margin_mean(self) -> float:
        """Expected home score minus away score."""
        zero = len(self.grid) - 1
        return float(self.margins @ np.arange(-zero, zero + 1))

    @property
    def total_mean(self) -> float:
        """Expected sum of both scores."""
        return float(self.totals @ np.arange(len(self.totals)))


def _ratio(wanted: float, present: float) -> float:
    return wanted / present if present > 0 else 0.0


def _reach(mean: float, dispersion: float) -> int:
    """The count above which less than ``TAIL`` is left."""
    if _is_poisson(dispersion):
        return int(np.ceil(pdtrik(1 - TAIL, mean)))
    return int(np.ceil(nbdtrik(1 - TAIL, mean / (dispersion - 1), 1 / dispersion)))


def _is_poisson(dispersion: float) -> bool:
    return dispersion <= 1.0 + 1e-9


def _counts(mean: float, dispersion: float, size: int) -> FloatArray:
    counts = np.arange(size)
    if _is_poisson(dispersion):
        return np.asarray(np.exp(xlogy(counts, mean) - mean - gammaln(counts + 1)))
    size_parameter, share = mean / (dispersion - 1), 1 / dispersion
    ways = gammaln(counts + size_parameter) - gammaln(counts + 1) - gammaln(size_parameter)
    return np.asarray(np.exp(ways + xlogy(size_parameter, share) + xlog1py(counts, -share)))


def _discretised(values: NDArray[np.int64], mean: float, deviation: float) -> FloatArray:
    return np.asarray(ndtr((values + 0.5 - mean) / deviation) - ndtr((values - 0.5 - mean) / deviation))

"""One joint distribution of the two final scores, from which every market is summed.

Because moneyline, spread, total and score markets are sums over the same cells, they cannot contradict
each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import gammaln, nbdtrik, ndtr, pdtrik

from core.betting.odds import FloatArray
from core.betting.regions import Cells, Region
from core.errors import ValidationError

SMALLEST_MEAN: Final = 0.05
"""No side of a game is expected to score less than this."""

TAIL_DEVIATIONS: Final = 7.0
"""A grid of points reaches this many standard deviations past the mean; the rest is below 1e-11."""

TAIL: Final = 1e-10
"""A grid of goals ends where less than this is left above it: counts have heavier tails than a normal variable."""

GOAL_STEP: Final = 4
"""Grids of goals come in sizes that are multiples of this."""

TILTING_STEPS: Final = 30
TILTING_TOLERANCE: Final = 1e-10


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
    """The joint distribution of both final scores: cells, and by how much the masses of each outcome were moved."""

    _cells: Cells
    _factors: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Of the scores that home wins, level ones, and those that away wins."""
    overtime_share: float | None = None
    """Share of the games won by one that were level after regulation; None where the sport is not played out so."""

    @classmethod
    def of_goals(
        cls, home_mean: float, away_mean: float, dispersion: float = 1.0, margin_weights: Sequence[float] = ()
    ) -> "ScoreDistribution":
        """Independent counts with the given means.

        ``dispersion`` is variance over mean: 1 is Poisson (Maher 1982), above 1 negative binomial.
        ``margin_weights[m]`` multiplies the scores m apart, 1 beyond its end; both means stay as they are.
        """
        home_mean, away_mean = max(home_mean, SMALLEST_MEAN), max(away_mean, SMALLEST_MEAN)
        size = _whole_steps(_reach(_rounded_up(max(home_mean, away_mean, 2.0)), dispersion) + 1, GOAL_STEP)
        home, away = _counts(np.array(((home_mean,), (away_mean,))), dispersion, size)
        grid = home[:, None] * away
        if len(margin_weights):
            scores = np.indices(grid.shape).reshape(2, -1)
            weights = _weights(margin_weights, scores[0] - scores[1])
            grid = _reweighted(grid.ravel(), weights, scores.T).reshape(grid.shape)
        return cls.of(grid / grid.sum())

    @classmethod
    def of(cls, grid: FloatArray) -> "ScoreDistribution":
        """``grid[h, a]`` is the probability that the home side ends on h and the away side on a; it sums to 1."""
        return cls(Cells(grid))

    @classmethod
    def of_points(
        cls,
        margin_mean: float,
        total_mean: float,
        margin_deviation: float,
        total_deviation: float,
        margin_weights: Sequence[float] = (),
    ) -> "ScoreDistribution":
        """Margin and total as independent normal variables, discretised to whole scores of equal parity.

        A total smaller than the margin would need negative scores; it is raised to the margin.
        ``margin_weights[m]`` multiplies the margins m and -m, 1 beyond its end: a sport's key numbers (3 and 7
        in the NFL). The mean margin stays as it is.
        """
        total_mean = max(total_mean, abs(margin_mean))
        reach = TAIL_DEVIATIONS * max(margin_deviation, total_deviation)
        size = int(np.ceil((total_mean + abs(margin_mean) + 2 * reach) / 2)) + 2
        values = np.arange(-size + 1, size)
        margins = _discretised(values, margin_mean, margin_deviation)
        if len(margin_weights):
            margins = _reweighted(margins, _weights(margin_weights, values), values[:, None])
        totals = _discretised(np.arange(2 * size - 1), total_mean, total_deviation)
        grid = sliding_window_view(margins[::-1].copy(), size)[::-1] * sliding_window_view(totals, size)
        return cls.of(grid / grid.sum())

    def played_out(self, overtime_share: float | None) -> "ScoreDistribution":
        """The same final scores of a sport whose level games are decided by one goal more, hockey's rule.

        ``overtime_share`` is the share of the games won by one that were level after regulation.
        """
        return ScoreDistribution(self._cells, self._factors, overtime_share)

    @cached_property
    def regulation(self) -> "ScoreDistribution":
        """The scores after regulation, before overtime or a shoot-out added its one goal.

        Of what ends k+1 to k either way, ``overtime_share`` stood k to k. Raises ValidationError where that
        share is not known.
        """
        share = self.overtime_share
        if share is None:
            raise ValidationError("market: this league has no market on regulation time.", field="market")
        grid, narrow = self.grid.copy(), np.arange(len(self.grid) - 1)
        for home, away in ((narrow + 1, narrow), (narrow, narrow + 1)):
            grid[narrow, narrow] += share * self.grid[home, away]
            grid[home, away] *= 1 - share
        return ScoreDistribution.of(grid)

    def tilted(self, outcome: Outcome) -> "ScoreDistribution":
        """The same distribution with the masses of home win, draw and away win moved to ``outcome``.

        Within each of the three the odds between scores stay as they were.
        """
        home, draw, away = self._cells.regions
        ratios = _ratio(outcome.home, home.mass), _ratio(outcome.draw, draw.mass), _ratio(outcome.away, away.mass)
        left = ratios[0] * home.mass + ratios[1] * draw.mass + ratios[2] * away.mass
        factors = ratios[0] / left, ratios[1] / left, ratios[2] / left
        return ScoreDistribution(self._cells, factors, self.overtime_share)

    @cached_property
    def grid(self) -> FloatArray:
        """``grid[h, a]``: the probability that the home side ends on h and the away side on a; it sums to 1."""
        if self._factors == (1.0, 1.0, 1.0):
            return self._cells.masses
        home, draw, away = self._factors
        home_wins = np.tri(len(self._cells.masses), k=-1)
        factors = home_wins * home + home_wins.T * away
        np.fill_diagonal(factors, draw)
        return self._cells.masses * factors

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
        return Outcome(*(factor * region.mass for factor, region in self._moved()))

    @property
    def margin_mean(self) -> float:
        """Expected home score minus away score."""
        return sum(factor * region.margin for factor, region in self._moved())

    @property
    def total_mean(self) -> float:
        """Expected sum of both scores."""
        return sum(factor * region.total for factor, region in self._moved())

    def _moved(self) -> Iterable[tuple[float, Region]]:
        return zip(self._factors, self._cells.regions, strict=True)


def _diagonals(grid: FloatArray) -> FloatArray:
    """Sum of the cells ``[i, j]`` by i + j: in rows one cell too short, each begins one further right than the last."""
    size = len(grid)
    wide = np.zeros((size, 2 * size))
    wide[:, :size] = grid
    return np.asarray(wide.ravel()[: size * (2 * size - 1)].reshape(size, 2 * size - 1).sum(axis=0))


def _ratio(wanted: float, present: float) -> float:
    return wanted / present if present > 0 else 0.0


def _rounded_up(mean: float) -> float:
    """To the next quarter, so that few grids are ever asked for."""
    return float(np.ceil(4 * mean) / 4)


def _whole_steps(size: int, step: int) -> int:
    """The size, or a little more: what is known of a grid's shape is remembered by its size."""
    return -(-size // step) * step


@lru_cache(maxsize=256)
def _reach(mean: float, dispersion: float) -> int:
    """The count above which less than ``TAIL`` is left."""
    if _is_poisson(dispersion):
        return int(np.ceil(pdtrik(1 - TAIL, mean)))
    return int(np.ceil(nbdtrik(1 - TAIL, mean / (dispersion - 1), 1 / dispersion)))


def _is_poisson(dispersion: float) -> bool:
    return dispersion <= 1.0 + 1e-9


def _counts(means: FloatArray, dispersion: float, size: int) -> FloatArray:
    """Masses of 0 to ``size - 1`` for each of the means, which come as a column."""
    counts, log_factorials = _counting(size)
    if _is_poisson(dispersion):
        return np.asarray(np.exp(counts * np.log(means) - means - log_factorials))
    sizes, share = means / (dispersion - 1), 1 / dispersion
    ways = gammaln(counts + sizes) - log_factorials - gammaln(sizes)
    return np.asarray(np.exp(ways + sizes * np.log(share) + counts * np.log1p(-share)))


@lru_cache(maxsize=64)
def _counting(size: int) -> tuple[FloatArray, FloatArray]:
    """The counts below ``size`` and the logarithms of their factorials. Not to be written to."""
    counts = np.arange(size, dtype=np.float64)
    return counts, gammaln(counts + 1)


def _discretised(values: NDArray[np.int64], mean: float, deviation: float) -> FloatArray:
    """Mass of the normal variable within half a point of each value; the values are consecutive."""
    edges = np.append(values - 0.5, values[-1] + 0.5)
    return np.diff(ndtr((edges - mean) / deviation))


def _weights(margin_weights: Sequence[float], margins: NDArray[np.int64]) -> FloatArray:
    table = np.append(np.asarray(margin_weights, dtype=np.float64), 1.0)
    return np.asarray(table[np.minimum(np.abs(margins), len(table) - 1)])


def _reweighted(masses: FloatArray, weights: FloatArray, statistics: NDArray[np.int64]) -> FloatArray:
    """Masses times weights, tilted exponentially so that the means of the statistics, shape (masses, k), stay.

    Exponential tilting is the smallest change in the sense of Kullback and Leibler (Csiszar 1975); its k
    parameters are found by Newton's method on a convex function.
    """
    wanted = masses @ statistics / masses.sum()
    centred = statistics - wanted
    tilt = np.zeros(statistics.shape[1])
    weighted = masses * weights
    for _ in range(TILTING_STEPS):
        exponents = centred @ tilt
        tilted = weighted * np.exp(exponents - exponents.max())
        tilted /= tilted.sum()
        off = tilted @ centred
        if np.abs(off).max() < TILTING_TOLERANCE:
            break
        around = centred - off
        tilt -= np.linalg.lstsq((tilted[:, None] * around).T @ around, off, rcond=None)[0]
    return np.asarray(tilted)

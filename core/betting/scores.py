"""One joint distribution of the two final scores, from which every market is summed.

Because moneyline, spread, total and score markets are sums over the same cells, they cannot contradict
each other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.betting.odds import FloatArray
from core.betting.score_grid import Cells, Region
from core.errors import ValidationError


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
    """The joint distribution of both final scores: cells, and the factors that reweight them to an outcome."""

    _cells: Cells
    _factors: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Of the scores that home wins, level ones, and those that away wins."""
    overtime_share: float | None = None
    """Share of the games won by one that were level after regulation; None where the sport is not played out so."""

    @classmethod
    def of(cls, grid: FloatArray) -> "ScoreDistribution":
        """``grid[h, a]`` is the probability that the home side ends on h and the away side on a; it sums to 1."""
        return cls(Cells.of(grid))

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

    def reweighted(self, outcome: Outcome) -> "ScoreDistribution":
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

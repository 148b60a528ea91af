"""A model's score distribution pooled with the bookmakers' prices.

Outcome, spread and total of one distribution are moved together, so that all bets on the game are valued by the same
distribution and cannot contradict each other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray
from core.betting.markets import Pricing
from core.betting.scores import ScoreDistribution
from core.betting.value import Shrinkage, Value

Statistic = Literal["margin", "total"]

STEPS: Final = 50
HALVINGS: Final = 30
TOLERANCE: Final = 1e-10
ROUNDING: Final = 1e-13
"""A step near the minimum may seem to climb by this much: without it the search would halve it to nothing."""
CONFIDENCE: Final = 0.9
REQUIRED_PRICES: Final = {
    **dict.fromkeys(("moneyline", "regulation", "draw_no_bet", "double_chance"), ("outcome",)),
    "spread": ("outcome", "spread"),
    "total": ("total",),
    **dict.fromkeys(("home_total", "away_total", "both_teams_score", "correct_score"), ("outcome", "total")),
}
"""The prices without which a bet on a market cannot be valued."""


@dataclass(frozen=True)
class MarketView:
    """The bookmakers' chances for one game, without the overround; None where there is no quote."""

    outcome: tuple[float, ...] | None
    """Home, draw (where it is an outcome) and away; they sum to 1."""
    spread_line: float | None = None
    """A margin of the home side that is exceeded with probability ``cover`` [points]."""
    total_line: float | None = None
    over: float | None = None
    """P(over) the total line, among games that do not push it."""
    cover: float | None = None
    """P(home margin above the spread line), among games that do not push it; None: 1/2."""

    def covers(self, market: str) -> bool:
        """Whether it has the prices that a bet on that market needs."""
        available = {
            "outcome": self.outcome is not None,
            "spread": self.spread_line is not None,
            "total": self.total_line is not None and self.over is not None,
        }
        return all(available[kind] for kind in REQUIRED_PRICES[market])


@dataclass(frozen=True, eq=False)
class PooledDistributions:
    """One game's score distribution at three weights of the model: the learned one, and the ends of its interval."""

    at_weight: tuple[ScoreDistribution, ScoreDistribution, ScoreDistribution]

    def price_and_value(
        self, pricing_of: Callable[[ScoreDistribution], Pricing], decimal_odds: float
    ) -> tuple[Pricing, Value]:
        """A bet's pricing, and its edge with the interval that follows from the weight's."""
        pricings = [pricing_of(scores) for scores in self.at_weight]
        edges = [pricing.expected_value(decimal_odds) for pricing in pricings]
        return pricings[0], Value(edges[0], min(edges), max(edges))


def pool_with_interval(scores: ScoreDistribution, market: MarketView, shrinkage: Shrinkage) -> PooledDistributions:
    """Pool a model's scores with the market, at the learned weight and at the ends of its confidence interval."""
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * shrinkage.error
    weights = (shrinkage.weight, shrinkage.weight - reach, shrinkage.weight + reach)
    return PooledDistributions(tuple(pooled_scores(scores, market, weight) for weight in weights))  # type: ignore[arg-type]


def pooled_scores(scores: ScoreDistribution, market: MarketView, weight: float) -> ScoreDistribution:
    """The distribution with its outcome, cover and over chances pooled with the market's; weight 1 is the model's own.

    Each is a logarithmic opinion pool as in ``Shrinkage``, among the games that do not push. Of all grids with these
    chances, the result is the nearest in the sense of Kullback and Leibler (an exponential tilting; Csiszar 1975),
    found over groups of cells that no price separates. Prices that contradict each other give a compromise.
    """
    lines = _lines(market)
    if not lines:
        return scores
    borders = tuple((line.statistic, half) for line in lines for half in line.halves)
    group = _group_of_cells(len(scores.grid), borders)
    masses = np.bincount(group.ravel(), scores.grid.ravel(), 3 ** len(borders)).astype(np.float64)
    statistics, targets = [], []
    for line, ends in zip(lines, _ends(lines, len(borders)), strict=True):
        model = ends @ masses
        if model.min() <= 0:
            continue
        chances = _pool(model / model.sum(), line.chances, weight)
        if line.keeps_pushes:
            statistics += list(ends)
            targets += list(model.sum() * chances)
        else:
            statistics.append(ends[0] * chances[1] - ends[1] * chances[0])
            targets.append(0.0)
    moved = _tilted(masses, np.array(statistics), np.array(targets)) if targets else masses
    factors = np.divide(moved, masses, out=np.zeros_like(masses), where=masses > 0)
    grid = scores.grid * factors[group]
    return ScoreDistribution.of(grid / grid.sum()).with_overtime(scores.overtime_share)


@dataclass(frozen=True, eq=False)
class _MarketLine:
    """A bet's line on a statistic of the score, in halves where it is a quarter line, and the market's chances."""

    statistic: Statistic
    halves: tuple[float, ...]
    chances: FloatArray
    """Above, on (if that is an outcome) and below it."""
    keeps_pushes: bool = False
    """Whether games on the line keep their mass; otherwise only above against below is given."""


def _lines(market: MarketView) -> list[_MarketLine]:
    lines = []
    if market.outcome is not None:
        lines.append(_MarketLine("margin", (0.0,), np.array(market.outcome), keeps_pushes=True))
    if market.spread_line is not None:
        cover = 0.5 if market.cover is None else market.cover
        lines.append(_MarketLine("margin", _halves(market.spread_line), np.array((cover, 1 - cover))))
    if market.total_line is not None and market.over is not None:
        lines.append(_MarketLine("total", _halves(market.total_line), np.array((market.over, 1 - market.over))))
    return lines


@lru_cache(maxsize=64)
def _group_of_cells(size: int, borders: tuple[tuple[Statistic, float], ...]) -> NDArray[np.int64]:
    """The group of each cell of the grid: cells of a group lie on the same side of every border, or on it."""
    home, away = np.indices((size, size))
    values = {"margin": home - away, "total": home + away}
    signs = [np.sign(values[statistic] - half).astype(np.int64) + 1 for statistic, half in borders]
    return np.asarray(np.ravel_multi_index(tuple(signs), (3,) * len(signs)))


def _ends(lines: Sequence[_MarketLine], width: int) -> Iterator[FloatArray]:
    """Each line's ends by group, shape (ends, groups), as shares of a stake; a push belongs to no end."""
    sides = np.indices((3,) * width).reshape(width, -1)
    place = 0
    for line in lines:
        own = sides[place : place + len(line.halves)]
        counted = (2, 1, 0) if len(line.chances) == 3 else (2, 0)
        yield np.stack([(own == side).mean(axis=0) for side in counted])
        place += len(line.halves)


def _tilted(masses: FloatArray, statistics: FloatArray, targets: FloatArray) -> FloatArray:
    """The masses, tilted exponentially so that the statistics have the target means: damped Newton's method."""
    tilt = np.zeros(len(statistics))

    def at(tilt: FloatArray) -> tuple[FloatArray, float]:
        exponents = tilt @ statistics
        highest = float(exponents[masses > 0].max())
        tilted = masses * np.exp(np.minimum(exponents - highest, 0.0))
        return tilted / tilted.sum(), float(np.log(tilted.sum()) + highest - tilt @ targets)

    moved, height = at(tilt)
    for _ in range(STEPS):
        off = statistics @ moved - targets
        if np.abs(off).max() < TOLERANCE:
            break
        around = statistics - (statistics @ moved)[:, None]
        step = np.linalg.lstsq((around * moved) @ around.T, off, rcond=1e-10)[0]
        for _ in range(HALVINGS):
            trial, lower = at(tilt - step)
            if lower <= height + ROUNDING:
                break
            step = step / 2
        tilt, moved, height = tilt - step, trial, lower
        if np.abs(step).max() < TOLERANCE:
            break
    return moved


def _halves(line: float) -> tuple[float, ...]:
    """The line to the quarter; a quarter line puts half of the stake on either neighbour."""
    near = round(4 * line) / 4
    return (near,) if near * 2 == round(near * 2) else (near - 0.25, near + 0.25)


def _pool(model: FloatArray, market: FloatArray, weight: float) -> FloatArray:
    return np.asarray(Shrinkage(weight, 0.0, 0).probabilities(model[None], market[None])[0])

"""What a model is believed of a game beside the market: its score distribution, moved toward the books' prices.

Who wins, the spread and the total of one distribution are moved together, so that every bet on the game is judged by
the same belief, and no two of them contradict each other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray
from core.betting.markets import Pricing
from core.betting.scores import ScoreDistribution
from core.betting.value import Shrinkage, Value

STEPS: Final = 50
HALVINGS: Final = 30
TOLERANCE: Final = 1e-10
CONFIDENCE: Final = 0.9
NEEDS: Final = {
    **dict.fromkeys(("moneyline", "regulation", "draw_no_bet", "double_chance"), ("outcome",)),
    "spread": ("outcome", "spread"),
    "total": ("total",),
    **dict.fromkeys(("home_total", "away_total", "both_teams_score", "correct_score"), ("outcome", "total")),
}
"""Whose price must be known before a bet on a market can be judged."""


@dataclass(frozen=True)
class MarketView:
    """What the books say of one game, their margin taken out; None where nobody quoted."""

    outcome: tuple[float, ...] | None
    """Home, draw (where it is an outcome) and away; they sum to 1."""
    spread_line: float | None = None
    """The home margin that is as likely beaten as not [points]."""
    total_line: float | None = None
    over: float | None = None
    """P(over) the total line, of games that do not push it."""

    def knows(self, market: str) -> bool:
        """Whether it says enough to judge a bet of that market."""
        known = {
            "outcome": self.outcome is not None,
            "spread": self.spread_line is not None,
            "total": self.total_line is not None and self.over is not None,
        }
        return all(known[kind] for kind in NEEDS[market])


@dataclass(frozen=True, eq=False)
class Believed:
    """One game's score distribution at three weights on the model: the learnt one, and the ends of its interval."""

    at_weight: tuple[ScoreDistribution, ScoreDistribution, ScoreDistribution]

    def judged(self, pricing_of: Callable[[ScoreDistribution], Pricing], decimal_odds: float) -> tuple[Pricing, Value]:
        """A bet's pricing, and its edge with its interval, which comes from the weight's."""
        pricings = [pricing_of(scores) for scores in self.at_weight]
        edges = [pricing.expected_value(decimal_odds) for pricing in pricings]
        return pricings[0], Value(edges[0], min(edges), max(edges))


def believed(scores: ScoreDistribution, market: MarketView, shrinkage: Shrinkage) -> Believed:
    """What is believed of a game whose model says ``scores``, with the error of the belief's weight."""
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * shrinkage.error
    weights = (shrinkage.weight, shrinkage.weight - reach, shrinkage.weight + reach)
    return Believed(tuple(pooled_scores(scores, market, weight) for weight in weights))  # type: ignore[arg-type]


def pooled_scores(scores: ScoreDistribution, market: MarketView, weight: float) -> ScoreDistribution:
    """The distribution whose outcome, cover and over chances are pooled with the market's: weight 1 is the model's own.

    Each is a logarithmic opinion pool as in ``Shrinkage``, among the games that do not push. Of all grids that have
    them at once, the nearest one in the sense of Kullback and Leibler (an exponential tilting; Csiszar 1975), found
    over groups of cells that no price tells apart. Of prices that contradict each other a compromise is left.
    """
    lines = _lines(len(scores.grid), market)
    if not lines:
        return scores
    signs = [np.sign(line.statistic - half).astype(np.int64) + 1 for line in lines for half in line.halves]
    group = np.ravel_multi_index(tuple(signs), (3,) * len(signs))
    masses = np.bincount(group.ravel(), scores.grid.ravel(), 3 ** len(signs)).astype(np.float64)
    statistics, wanted = [], []
    for line, ends in zip(lines, _ends(lines, len(signs)), strict=True):
        model = ends @ masses
        if model.min() <= 0:
            continue
        chances = _pool(model / model.sum(), line.chances, weight)
        if line.keeps_pushes:
            statistics += list(ends)
            wanted += list(model.sum() * chances)
        else:
            statistics.append(ends[0] * chances[1] - ends[1] * chances[0])
            wanted.append(0.0)
    moved = _tilted(masses, np.array(statistics), np.array(wanted)) if wanted else masses
    factors = np.divide(moved, masses, out=np.zeros_like(masses), where=masses > 0)
    grid = scores.grid * factors[group]
    return ScoreDistribution.of(grid / grid.sum()).played_out(scores.overtime_share)


@dataclass(frozen=True, eq=False)
class _Line:
    """A bet's line on a statistic of the score, in halves where it is a quarter line, and the market's chances."""

    statistic: NDArray[np.int64]
    halves: tuple[float, ...]
    chances: FloatArray
    """Above, on (if that is an outcome) and below it."""
    keeps_pushes: bool = False
    """Whether games on the line stay as likely as they were; else only above against below is known."""


def _lines(size: int, market: MarketView) -> list[_Line]:
    home, away = np.indices((size, size))
    lines = []
    if market.outcome is not None:
        lines.append(_Line(home - away, (0.0,), np.array(market.outcome), keeps_pushes=True))
    if market.spread_line is not None:
        lines.append(_Line(home - away, _halves(market.spread_line), np.array((0.5, 0.5))))
    if market.total_line is not None and market.over is not None:
        lines.append(_Line(home + away, _halves(market.total_line), np.array((market.over, 1 - market.over))))
    return lines


def _ends(lines: Sequence[_Line], width: int) -> Iterator[FloatArray]:
    """Each line's ends by group, shape (ends, groups), as shares of a stake; what pushes belongs to none."""
    sides = np.indices((3,) * width).reshape(width, -1)
    place = 0
    for line in lines:
        own = sides[place : place + len(line.halves)]
        counted = (2, 1, 0) if len(line.chances) == 3 else (2, 0)
        yield np.stack([(own == side).mean(axis=0) for side in counted])
        place += len(line.halves)


def _tilted(masses: FloatArray, statistics: FloatArray, wanted: FloatArray) -> FloatArray:
    """The masses tilted exponentially so that the statistics have the wanted means: Newton's method, damped."""
    tilt = np.zeros(len(statistics))

    def at(tilt: FloatArray) -> tuple[FloatArray, float]:
        exponents = tilt @ statistics
        highest = float(exponents[masses > 0].max())
        tilted = masses * np.exp(np.minimum(exponents - highest, 0.0))
        return tilted / tilted.sum(), float(np.log(tilted.sum()) + highest - tilt @ wanted)

    moved, height = at(tilt)
    for _ in range(STEPS):
        off = statistics @ moved - wanted
        if np.abs(off).max() < TOLERANCE:
            break
        around = statistics - (statistics @ moved)[:, None]
        step = np.linalg.lstsq((around * moved) @ around.T, off, rcond=1e-10)[0]
        for _ in range(HALVINGS):
            trial, lower = at(tilt - step)
            if lower <= height:
                break
            step = step / 2
        tilt, moved, height = tilt - step, trial, lower
    return moved


def _halves(line: float) -> tuple[float, ...]:
    """The line to the quarter; of a stake on a quarter line, half lies on either neighbour."""
    near = round(4 * line) / 4
    return (near,) if near * 2 == round(near * 2) else (near - 0.25, near + 0.25)


def _pool(model: FloatArray, market: FloatArray, weight: float) -> FloatArray:
    return np.asarray(Shrinkage(weight, 0.0, 0).probabilities(model[None], market[None])[0])

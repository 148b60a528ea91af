"""What smooth score distributions miss of final margins: key numbers, and games that overtime decides by one."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from core.arrays import FloatArray
from core.betting.scores import ScoreDistribution
from core.registry.forecaster import ScoreSpread
from training.datasets.assembly import Dataset

GOALS_STEP, POINTS_STEP = 0.1, 0.5
"""Steps to which expected scores are rounded, so that few different distributions have to be summed."""

FEWEST_EXPECTED: Final = 5.0
"""Margins are weighted as long as the smooth distribution expects at least so many games of them."""
STRENGTHS: Final = np.geomspace(1, 1e6, 121)
FEWEST_LEVEL: Final = 50
"""Fewest games level after regulation from which it is concluded that overtime decides by one goal."""
PLAYED_OUT: Final = 0.99
"""Share of those games that must have ended by one."""


def with_margin_profile(spread: ScoreSpread, dataset: Dataset, margins: FloatArray, totals: FloatArray) -> ScoreSpread:
    """The spread with margin weights and overtime share estimated from the games learnt from.

    ``margins`` and ``totals`` are the expected ones of those games, from which the spread's deviations come.
    """
    smooth = spread.model_copy(update={"margin_weights": (), "overtime_share": None})
    expected = expected_margins(_distributions(smooth, margins, totals))
    return spread.model_copy(
        update={"margin_weights": margin_weights(dataset.margins, expected), "overtime_share": overtime_share(dataset)}
    )


def _distributions(
    spread: ScoreSpread, margins: FloatArray, totals: FloatArray
) -> Iterator[tuple[int, ScoreDistribution]]:
    """The different distributions of the games, and how many games follow each. Of points only the margin counts."""
    step = GOALS_STEP if spread.scores == "goals" else POINTS_STEP
    varied = totals if spread.scores == "goals" else np.full_like(totals, totals.mean())
    means, games = np.unique(np.round(np.column_stack((margins, varied)) / step), axis=0, return_counts=True)
    for (margin, total), count in zip((means * step).tolist(), games.tolist(), strict=True):
        yield count, spread.distribution(margin, total)


def margin_weights(margins: FloatArray, expected: FloatArray) -> tuple[float, ...]:
    """How many times likelier each absolute margin is than the smooth distribution says; ``[0]``, a level game, is 1.

    ``margins`` are past games' final margins; ``expected[m]`` is the number of them that the smooth distribution
    expects to end m apart. Counts are Poisson with a gamma prior of mean 1 on the weights, whose strength has the
    largest likelihood (empirical Bayes; Robbins 1956): without key numbers it grows large and the weights are 1.
    """
    seen = np.bincount(np.abs(margins).astype(np.int64), minlength=len(expected))[: len(expected)].astype(np.float64)
    expected = expected * (seen[1:].sum() / expected[1:].sum())
    enough = expected[1:] >= FEWEST_EXPECTED
    last = 1 + (int(np.argmin(enough)) if not enough.all() else len(enough))
    strength = _likeliest_strength(seen[1:last], expected[1:last])
    return (1.0, *((strength + seen[1:last]) / (strength + expected[1:last])).tolist())


def expected_margins(distributions: Iterable[tuple[int, ScoreDistribution]]) -> FloatArray:
    """Expected number of games by absolute margin, over pairs of a number of games and their distribution."""
    counts = np.zeros(1)
    for games, scores in distributions:
        zero = len(scores.grid) - 1
        either = scores.margins[zero:] + np.append(0.0, scores.margins[:zero][::-1])
        longer, shorter = (counts, games * either) if len(counts) > len(either) else (games * either, counts)
        counts = longer + np.pad(shorter, (0, len(longer) - len(shorter)))
    return counts


def overtime_share(dataset: Dataset) -> float | None:
    """Share of the games won by one that were level after regulation, where overtime decides by one, as in hockey.

    None if the archive has too few regulation scores or level games end by other margins, as in basketball.
    """
    recorded = ~np.isnan(dataset.level_after_regulation)
    level = dataset.level_after_regulation == 1
    by_one: NDArray[np.bool_] = recorded & (np.abs(dataset.margins) == 1)
    if level.sum() < FEWEST_LEVEL or (level & by_one).sum() < PLAYED_OUT * level.sum():
        return None
    return float((level & by_one).sum() / by_one.sum())


def _likeliest_strength(seen: FloatArray, expected: FloatArray) -> float:
    """The prior strength with the largest likelihood of the counts, which are then negative binomial."""
    strength = STRENGTHS[:, None]
    log_likelihood = (
        gammaln(strength + seen)
        - gammaln(strength)
        - xlogy(strength, 1 + expected / strength)
        + xlogy(seen, expected)
        - xlogy(seen, strength + expected)
    )
    return float(STRENGTHS[int(np.argmax(log_likelihood.sum(axis=1)))])

"""Score distributions of one game, by its expected scores."""

from collections.abc import Sequence

import numpy as np

from core.betting.goal_model import goal_cells
from core.betting.point_model import point_cells
from core.betting.scores import ScoreDistribution


def goal_scores(
    home_mean: float, away_mean: float, dispersion: float = 1.0, margin_weights: Sequence[float] = ()
) -> ScoreDistribution:
    """One game of few goals."""
    (cells,) = goal_cells(np.array(((home_mean,), (away_mean,))), dispersion, margin_weights)
    return ScoreDistribution(cells)


def point_scores(
    margin_mean: float,
    total_mean: float,
    margin_deviation: float,
    total_deviation: float,
    margin_weights: Sequence[float] = (),
) -> ScoreDistribution:
    """One game of many points."""
    means = np.array((margin_mean,)), np.array((total_mean,))
    (cells,) = point_cells(*means, margin_deviation, total_deviation, margin_weights)
    return ScoreDistribution(cells)

"""The score distribution of one game, for tests: the models make those of many games at once."""

from collections.abc import Sequence

import numpy as np

from core.betting.goal_model import goal_grids
from core.betting.point_model import point_grids
from core.betting.scores import ScoreDistribution


def goal_scores(
    home_mean: float, away_mean: float, dispersion: float = 1.0, margin_weights: Sequence[float] = ()
) -> ScoreDistribution:
    """One game of few goals: see ``core.betting.goal_model``."""
    return ScoreDistribution(goal_grids(np.array(((home_mean,), (away_mean,))), dispersion, margin_weights)[0])


def point_scores(
    margin_mean: float,
    total_mean: float,
    margin_deviation: float,
    total_deviation: float,
    margin_weights: Sequence[float] = (),
) -> ScoreDistribution:
    """One game of many points: see ``core.betting.point_model``."""
    means = np.array((margin_mean,)), np.array((total_mean,))
    return ScoreDistribution(point_grids(*means, margin_deviation, total_deviation, margin_weights)[0])

"""The calibration of a league's forecasts: none, a slope, or a slope and shifts, chosen on unseen games.

Each way is fitted on all blocks but one and evaluated on that one, in turn. No calibration is used unless another way
is better by more than the standard error of the difference (Breiman's one-standard-error rule).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from core.arrays import FloatArray
from core.registry.forecaster import Calibration

PRIOR_GAMES: Final = 50.0
"""Strength of the penalty that keeps the slope near 1 and the shifts near 0 [games]."""
NONE, SLOPE, SHIFTED = WAYS = ("none", "slope", "slope and shifts")

CalibrationBlock = tuple[FloatArray, NDArray[np.int64]]
"""Blended log-probabilities, shape (games, classes), and the outcomes."""


def choose_calibration(blocks: Sequence[CalibrationBlock], classes: int) -> Calibration:
    """The calibration to use, chosen and fitted on blocks of unseen games."""
    way = choose_way(blocks, classes)
    return identity(classes) if way == NONE else fit_calibration(way, *_joined(blocks))


def choose_way(blocks: Sequence[CalibrationBlock], classes: int) -> str:
    """The name of the way that is best on the blocks."""
    if len(blocks) < 2:
        return NONE
    losses = {
        way: np.concatenate([_left_out_losses(way, blocks, left, classes) for left in range(len(blocks))])
        for way in WAYS
    }
    best = min((SLOPE, SHIFTED), key=lambda way: float(losses[way].mean()))
    gains = losses[NONE] - losses[best]
    return best if gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)) else NONE


def identity(classes: int) -> Calibration:
    """The calibration that changes nothing."""
    return Calibration(slope=1.0, shifts=(0.0,) * classes)


def fit_calibration(way: str, blended: FloatArray, outcomes: NDArray[np.int64]) -> Calibration:
    """Slope (and shifts) of smallest penalised log loss."""
    classes, games = blended.shape[1], np.arange(len(outcomes))
    shifts = classes - 1 if way == SHIFTED else 0

    def loss(parameters: FloatArray) -> float:
        slope, shift = parameters[0], np.zeros(classes)
        shift[:shifts] = parameters[1:]
        log_likelihood = log_softmax(slope * blended + shift, axis=1)[games, outcomes].sum()
        return float(PRIOR_GAMES * ((slope - 1) ** 2 + (shift**2).sum()) - log_likelihood)

    best = minimize(loss, np.append(1.0, np.zeros(shifts)), method="BFGS").x
    return Calibration(slope=float(best[0]), shifts=(*map(float, best[1:]), *[0.0] * (classes - shifts)))


def _left_out_losses(way: str, blocks: Sequence[CalibrationBlock], left: int, classes: int) -> FloatArray:
    """Log losses on one block by the calibration fitted on the others."""
    blended, outcomes = blocks[left]
    calibration = identity(classes)
    if way != NONE:
        calibration = fit_calibration(way, *_joined([block for place, block in enumerate(blocks) if place != left]))
    return np.asarray(-np.log(calibration(blended)[np.arange(len(outcomes)), outcomes]))


def _joined(blocks: Sequence[CalibrationBlock]) -> CalibrationBlock:
    return np.concatenate([blended for blended, _ in blocks]), np.concatenate([outcomes for _, outcomes in blocks])

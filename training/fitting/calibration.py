"""Which calibration a league gets: none, a slope, or a slope and shifts, by evidence on unseen games.

Each way is fitted on all blocks but one and tried on that one, in turn. Doing nothing stays unless another way is
better by more than the standard error of the difference (Breiman's one-standard-error rule).
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
"""How many games' worth of penalty holds the slope near 1 and the shifts near 0."""
NONE, SLOPE, SHIFTED = WAYS = ("none", "slope", "slope and shifts")

Block = tuple[FloatArray, NDArray[np.int64]]
"""Blended log-probabilities, shape (games, classes), and the outcomes."""


def chosen_calibration(blocks: Sequence[Block], classes: int) -> Calibration:
    """The calibration for games to come, from blocks of unseen ones."""
    way = chosen_way(blocks, classes)
    return identity(classes) if way == NONE else fitted(way, *_joined(blocks))


def chosen_way(blocks: Sequence[Block], classes: int) -> str:
    """The name of the way that the evidence calls for."""
    if len(blocks) < 2:
        return NONE
    losses = {way: np.concatenate([_tried(way, blocks, left, classes) for left in range(len(blocks))]) for way in WAYS}
    best = min((SLOPE, SHIFTED), key=lambda way: float(losses[way].mean()))
    gains = losses[NONE] - losses[best]
    return best if gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)) else NONE


def identity(classes: int) -> Calibration:
    return Calibration(slope=1.0, shifts=(0.0,) * classes)


def fitted(way: str, blended: FloatArray, outcomes: NDArray[np.int64]) -> Calibration:
    """Slope (and shifts) of smallest log loss, held near doing nothing."""
    classes, games = blended.shape[1], np.arange(len(outcomes))
    shifts = classes - 1 if way == SHIFTED else 0

    def loss(parameters: FloatArray) -> float:
        slope, moved = parameters[0], np.zeros(classes)
        moved[:shifts] = parameters[1:]
        log_likelihood = log_softmax(slope * blended + moved, axis=1)[games, outcomes].sum()
        return float(PRIOR_GAMES * ((slope - 1) ** 2 + (moved**2).sum()) - log_likelihood)

    found = minimize(loss, np.append(1.0, np.zeros(shifts)), method="BFGS").x
    return Calibration(slope=float(found[0]), shifts=(*map(float, found[1:]), *[0.0] * (classes - shifts)))


def _tried(way: str, blocks: Sequence[Block], left: int, classes: int) -> FloatArray:
    """Losses on the block left out."""
    blended, outcomes = blocks[left]
    calibration = identity(classes)
    if way != NONE:
        calibration = fitted(way, *_joined([block for place, block in enumerate(blocks) if place != left]))
    return np.asarray(-np.log(calibration(blended)[np.arange(len(outcomes)), outcomes]))


def _joined(blocks: Sequence[Block]) -> Block:
    return np.concatenate([blended for blended, _ in blocks]), np.concatenate([outcomes for _, outcomes in blocks])

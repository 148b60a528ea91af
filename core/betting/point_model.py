"""Scores of sports with many points: margin and total as independent normal variables of equal parity.

All games are computed at once, as in ``core.betting.goal_model``. The masses of the outcomes are summed along margins,
without the grid of all scores, which has tens of thousands of cells in basketball.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import ndtr

from core.arrays import FloatArray
from core.betting.margin_weights import NEWTON_STEPS, NEWTON_TOLERANCE, weights_of
from core.betting.score_grid import ScoreGrids, by_size

TAIL_DEVIATIONS: Final = 7.0
"""A grid reaches this many standard deviations past the mean; the rest is below 1e-11."""

SIZE_STEP: Final = 32
"""Grid sizes are multiples of this, so that most games of a league share one."""


def point_grids(
    margin_means: FloatArray,
    total_means: FloatArray,
    margin_deviation: float,
    total_deviation: float,
    margin_weights: Sequence[float] = (),
) -> ScoreGrids:
    """The scores of each game; both means have shape (games,).

    A total smaller than the margin would need negative scores; it is raised to the margin. ``margin_weights[m]``
    multiplies the margins m and -m, 1 beyond its end: a sport's key numbers (3 and 7 in the NFL). The mean margin is
    preserved.
    """
    total_means = np.maximum(total_means, np.abs(margin_means))
    reach = TAIL_DEVIATIONS * max(margin_deviation, total_deviation)
    widest = ((total_means + np.abs(margin_means)) / 2 + reach).tolist()
    sizes = [-(-(math.ceil(wide) + 2) // SIZE_STEP) * SIZE_STEP for wide in widest]
    weights = tuple(margin_weights)

    def grids_of(size: int, places: list[int]) -> ScoreGrids:
        margins = _discretised(np.arange(-size + 1, size, dtype=np.float64), margin_means[places], margin_deviation)
        if weights:
            margins = _with_same_mean(margins, weights, size)
        totals = _discretised(np.arange(2 * size - 1, dtype=np.float64), total_means[places], total_deviation)
        return _joined(margins, totals, size)

    return by_size(sizes, grids_of)


def _joined(margins: FloatArray, totals: FloatArray, size: int) -> ScoreGrids:
    """Masses by margin, from ``1 - size`` to ``size - 1``, with those by total, from 0 to ``2 * size - 2``."""
    apart = np.arange(size)
    masses, sums = _reachable(totals), _reachable(totals * np.arange(2 * size - 1))
    either = np.stack((margins[:, size - 1 :], margins[:, size - 1 :: -1]))
    home, away = (either[:, :, 1:] * masses[:, 1:], either[:, :, 1:] * sums[:, 1:])
    mass, margin, total = home.sum(axis=2), (home * apart[1:]).sum(axis=2), away.sum(axis=2)
    level = margins[:, size - 1] * masses[:, 0], margins[:, size - 1] * sums[:, 0]
    whole = mass.sum(axis=0) + level[0]
    eight = mass[0], level[0], mass[1], margin[0], -margin[1], total[0], level[1], total[1]
    return ScoreGrids(np.array(eight) / whole, lambda game: _grid(margins[game], totals[game], whole[game], size))


def _grid(margins: FloatArray, totals: FloatArray, whole: float, size: int) -> FloatArray:
    by_margin = sliding_window_view(margins[::-1].copy(), size)[::-1]
    return np.asarray(by_margin * sliding_window_view(totals, size) / whole)


def _reachable(totals: FloatArray) -> FloatArray:
    """For each m from 0: the sum over the totals of the parity of m that scores m apart have on the grid."""
    games, width = totals.shape
    size = (width + 1) // 2
    summed = np.append(totals, np.zeros((games, 1)), axis=1).reshape(games, size, 2).cumsum(axis=1).reshape(games, -1)
    below = np.concatenate((np.zeros((games, 2)), summed), axis=1)[:, :size]
    return np.asarray(summed[:, width - 1 : size - 2 : -1] - below)


def _discretised(values: FloatArray, means: FloatArray, deviation: float) -> FloatArray:
    """Mass of the normal variables within half a point of each value, shape (games, values); values are consecutive."""
    edges = np.append(values - 0.5, values[-1] + 0.5)
    return np.asarray(np.diff(ndtr((edges - means[:, None]) / deviation)))


def _with_same_mean(margins: FloatArray, weights: tuple[float, ...], size: int) -> FloatArray:
    """Masses of the margins times their weights, tilted exponentially to keep their mean (see ``goal_model``)."""
    values = np.arange(-size + 1, size)
    centred = values - ((margins * values).sum(axis=1) / margins.sum(axis=1))[:, None]
    weighted = margins * _by_margin(size, weights)
    tilt = np.zeros((len(margins), 1))
    for _ in range(NEWTON_STEPS):
        exponents = tilt * centred
        tilted = weighted * np.exp(exponents - exponents.max(axis=1, keepdims=True))
        tilted /= tilted.sum(axis=1, keepdims=True)
        moved = tilted * centred
        off = moved.sum(axis=1)
        wrong = np.abs(off) >= NEWTON_TOLERANCE
        if not wrong.any():
            break
        spread = (moved * centred).sum(axis=1) - off * off
        tilt -= np.where(wrong, off / np.maximum(spread, np.finfo(float).tiny), 0.0)[:, None]
    return np.asarray(tilted)


@lru_cache(maxsize=32)
def _by_margin(size: int, weights: tuple[float, ...]) -> FloatArray:
    """The weight of each margin. Cached, so read-only."""
    return weights_of(np.arange(-size + 1, size), weights)

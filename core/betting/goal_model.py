"""Scores of sports with few goals: independent counts, reweighted by margin.

All games are computed at once, because numpy's calls cost more than the arithmetic of one game. A game's numbers are
the same to the last bit whatever the other games are, so nothing here is a product of two matrices over games.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.special import gammaln, nbdtrik, pdtrik

from core.arrays import FloatArray
from core.betting.margin_weights import NEWTON_STEPS, NEWTON_TOLERANCE, weights_of
from core.betting.score_grid import ScoreGrids, by_size, statistics

SMALLEST_MEAN: Final = 0.05
"""Lower limit of an expected score."""

TAIL: Final = 1e-10
"""Mass above the end of a grid of goals: counts have heavier tails than a normal variable."""

SIZE_STEP: Final = 4
"""Grid sizes are multiples of this, so that few sizes occur: what depends on the size alone is cached."""

SINGULAR: Final = 1e-12
LONGEST_STEP: Final = 2.0
"""Limit of a step of Newton's method [log-odds per goal]: with some weights no solution has these means."""


def goal_grids(means: FloatArray, dispersion: float, margin_weights: Sequence[float] = ()) -> ScoreGrids:
    """The scores of each game; ``means`` has shape (2, games), home and away.

    ``dispersion`` is variance over mean: 1 is Poisson (Maher 1982), above 1 negative binomial. ``margin_weights[m]``
    multiplies the scores m apart, 1 beyond its end; both means are preserved.
    """
    means = np.maximum(means, SMALLEST_MEAN)
    # Rounded up, so that few different sizes are computed.
    rounded = np.ceil(4 * np.maximum(means.max(axis=0), 2.0)) / 4
    sizes = [_size(largest, dispersion) for largest in rounded.tolist()]
    weights = tuple(margin_weights)
    return by_size(sizes, lambda size, places: _of_one_size(means[:, places], dispersion, weights, size))


def _of_one_size(means: FloatArray, dispersion: float, weights: tuple[float, ...], size: int) -> ScoreGrids:
    home, away = _counts(means[..., None], dispersion, size)
    band = _band(size, weights)
    if weights:
        home, away = _with_same_means(home, away, band)
    sums = (away[:, None] @ _summing(size, weights)).reshape(-1, 8, size) @ home[..., None]
    whole = sums[:, :3].sum(axis=1, keepdims=True)
    return ScoreGrids((sums / whole)[..., 0].T, lambda game: _grid(home[game], away[game], band, whole[game]))


def _grid(home: FloatArray, away: FloatArray, band: FloatArray, whole: FloatArray) -> FloatArray:
    return home[:, None] * away * band / whole


def _with_same_means(home: FloatArray, away: FloatArray, band: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both sides' counts, tilted exponentially so that their means are the same after weighting by the band of margins.

    Exponential tilting is the smallest change in the sense of Kullback and Leibler (Csiszar 1975). Newton's method on a
    convex function finds its two parameters; a game that has converged does not change any more.
    """
    counts = np.arange(home.shape[1])
    sides = np.stack((home, away))
    centred = counts - ((sides * counts).sum(axis=2) / sides.sum(axis=2))[..., None]
    tilt = np.zeros(sides.shape[:2])
    for _ in range(NEWTON_STEPS):
        exponents = tilt[..., None] * centred
        tilted = sides * np.exp(exponents - exponents.max(axis=2, keepdims=True))
        first = tilted * centred
        powers = np.stack((tilted, first, first * centred), axis=2)
        moments = powers[0] @ band @ powers[1].transpose(0, 2, 1)
        moments = moments / moments[:, :1, :1]
        off = np.stack((moments[:, 1, 0], moments[:, 0, 1]))
        wrong = np.abs(off).max(axis=0) >= NEWTON_TOLERANCE
        if not wrong.any():
            break
        spread = np.stack((moments[:, 2, 0], moments[:, 0, 2])) - off * off
        shared = moments[:, 1, 1] - off[0] * off[1]
        tilt -= np.where(wrong, np.clip(_newton(off, spread, shared), -LONGEST_STEP, LONGEST_STEP), 0.0)
    return tilted[0], tilted[1]


def _newton(off: FloatArray, spread: FloatArray, shared: FloatArray) -> FloatArray:
    """The step of each game: the inverse of its covariance times the error of the means, shape (2, games).

    If the covariance is singular, the shortest step in the one direction that is left.
    """
    product = spread[0] * spread[1]
    determinant = product - shared * shared
    regular = determinant > SINGULAR * product
    across = (spread[::-1] * off - shared * off[::-1]) / np.where(regular, determinant, 1.0)
    along = off / np.maximum(spread.sum(axis=0), np.finfo(float).tiny)
    return np.where(regular, across, along)


@lru_cache(maxsize=32)
def _band(size: int, weights: tuple[float, ...]) -> FloatArray:
    """The weight of each score by its margin, shape (size, size). Cached, so read-only."""
    scores = np.arange(size)
    return weights_of(scores[:, None] - scores, weights)


@lru_cache(maxsize=32)
def _summing(size: int, weights: tuple[float, ...]) -> FloatArray:
    """The matrix from the away side's counts to a vector for each of the eight sums, shape (size, 8 * size)."""
    weighted = statistics(size) * _band(size, weights)
    return np.ascontiguousarray(weighted.transpose(2, 0, 1).reshape(size, 8 * size))


@lru_cache(maxsize=256)
def _size(largest_mean: float, dispersion: float) -> int:
    return -(-(_reach(largest_mean, dispersion) + 1) // SIZE_STEP) * SIZE_STEP


def _reach(mean: float, dispersion: float) -> int:
    """The count above which the mass is less than ``TAIL``."""
    if _is_poisson(dispersion):
        return int(np.ceil(pdtrik(1 - TAIL, mean)))
    return int(np.ceil(nbdtrik(1 - TAIL, mean / (dispersion - 1), 1 / dispersion)))


def _is_poisson(dispersion: float) -> bool:
    return dispersion <= 1.0 + 1e-9


def _counts(means: FloatArray, dispersion: float, size: int) -> FloatArray:
    """Masses of 0 to ``size - 1`` along the last axis, which has length 1 in ``means``."""
    counts, log_factorials = _counting(size)
    if _is_poisson(dispersion):
        return np.asarray(np.exp(counts * np.log(means) - means - log_factorials))
    sizes, share = means / (dispersion - 1), 1 / dispersion
    ways = gammaln(counts + sizes) - log_factorials - gammaln(sizes)
    return np.asarray(np.exp(ways + sizes * np.log(share) + counts * np.log1p(-share)))


@lru_cache(maxsize=64)
def _counting(size: int) -> tuple[FloatArray, FloatArray]:
    """The counts below ``size`` and the logarithms of their factorials. Cached, so read-only."""
    counts = np.arange(size, dtype=np.float64)
    return counts, gammaln(counts + 1)

"""Scores of sports with few goals: independent counts, with some margins likelier than these say.

All games at once: numpy's calls cost more than the numbers of one game. A game's numbers are the same to the last bit
whatever games they are made with, which is why nothing here is a product of two matrices over games.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Final

import numpy as np
from scipy.special import gammaln, nbdtrik, pdtrik

from core.betting.margin_weights import NEWTON_STEPS, NEWTON_TOLERANCE, weights_of
from core.betting.odds import FloatArray
from core.betting.score_grid import Cells, Regions, by_size, statistics

SMALLEST_MEAN: Final = 0.05
"""No side of a game is expected to score less than this."""

TAIL: Final = 1e-10
"""A grid of goals ends where less than this is left above it: counts have heavier tails than a normal variable."""

SIZE_STEP: Final = 4
"""Grids come in sizes that are multiples of this: what is known of a grid's shape is remembered by its size."""

SINGULAR: Final = 1e-12
LONGEST_STEP: Final = 2.0
"""Of Newton's method, in log-odds per goal: weights may ask for means that no tilting gives."""


def goal_cells(means: FloatArray, dispersion: float, margin_weights: Sequence[float] = ()) -> list[Cells]:
    """The scores of each game; ``means`` has shape (2, games), home and away.

    ``dispersion`` is variance over mean: 1 is Poisson (Maher 1982), above 1 negative binomial. ``margin_weights[m]``
    multiplies the scores m apart, 1 beyond its end; both means stay as they are.
    """
    means = np.maximum(means, SMALLEST_MEAN)
    sizes = [_size(largest, dispersion) for largest in means.max(axis=0).tolist()]
    weights = tuple(margin_weights)
    return by_size(sizes, lambda size, places: _of_one_size(means[:, places], dispersion, weights, size))


def _of_one_size(means: FloatArray, dispersion: float, weights: tuple[float, ...], size: int) -> Iterator[Cells]:
    home, away = _counts(means[..., None], dispersion, size)
    band = _band(size, weights)
    if weights:
        home, away = _with_means_kept(home, away, band)
    sums = (away[:, None] @ _summing(size, weights)).reshape(-1, 8, size) @ home[..., None]
    whole = sums[:, :3].sum(axis=1, keepdims=True)
    for game, shares in enumerate((sums / whole)[..., 0].tolist()):
        yield Cells(Regions.of(shares), partial(_grid, home[game], away[game], band, whole[game]))


def _grid(home: FloatArray, away: FloatArray, band: FloatArray, whole: FloatArray) -> FloatArray:
    return home[:, None] * away * band / whole


def _with_means_kept(home: FloatArray, away: FloatArray, band: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both sides' counts tilted so that, weighted by the band of margins, their means are what they were.

    Exponential tilting is the smallest change in the sense of Kullback and Leibler (Csiszar 1975); its two parameters
    are found by Newton's method on a convex function. A game that is done is not touched any more.
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
    """The step of each game: its covariance's inverse times how far off the means are, shape (2, games).

    Where only one direction is left to move in, the shortest step in it.
    """
    product = spread[0] * spread[1]
    determinant = product - shared * shared
    regular = determinant > SINGULAR * product
    across = (spread[::-1] * off - shared * off[::-1]) / np.where(regular, determinant, 1.0)
    along = off / np.maximum(spread.sum(axis=0), np.finfo(float).tiny)
    return np.where(regular, across, along)


@lru_cache(maxsize=32)
def _band(size: int, weights: tuple[float, ...]) -> FloatArray:
    """The weight of each score by its margin, shape (size, size). Not to be written to."""
    scores = np.arange(size)
    return weights_of(scores[:, None] - scores, weights)


@lru_cache(maxsize=32)
def _summing(size: int, weights: tuple[float, ...]) -> FloatArray:
    """What makes of the away side's counts a vector for each of the eight sums, shape (size, 8 * size)."""
    weighted = statistics(size) * _band(size, weights)
    return np.ascontiguousarray(weighted.transpose(2, 0, 1).reshape(size, 8 * size))


def _size(largest_mean: float, dispersion: float) -> int:
    rounded_up = float(np.ceil(4 * max(largest_mean, 2.0)) / 4)  # so that few reaches are ever looked for
    return -(-(_reach(rounded_up, dispersion) + 1) // SIZE_STEP) * SIZE_STEP


@lru_cache(maxsize=256)
def _reach(mean: float, dispersion: float) -> int:
    """The count above which less than ``TAIL`` is left."""
    if _is_poisson(dispersion):
        return int(np.ceil(pdtrik(1 - TAIL, mean)))
    return int(np.ceil(nbdtrik(1 - TAIL, mean / (dispersion - 1), 1 / dispersion)))


def _is_poisson(dispersion: float) -> bool:
    return dispersion <= 1.0 + 1e-9


def _counts(means: FloatArray, dispersion: float, size: int) -> FloatArray:
    """Masses of 0 to ``size - 1`` along a last axis that the means have with length 1."""
    counts, log_factorials = _counting(size)
    if _is_poisson(dispersion):
        return np.asarray(np.exp(counts * np.log(means) - means - log_factorials))
    sizes, share = means / (dispersion - 1), 1 / dispersion
    ways = gammaln(counts + sizes) - log_factorials - gammaln(sizes)
    return np.asarray(np.exp(ways + sizes * np.log(share) + counts * np.log1p(-share)))


@lru_cache(maxsize=64)
def _counting(size: int) -> tuple[FloatArray, FloatArray]:
    """The counts below ``size`` and the logarithms of their factorials. Not to be written to."""
    counts = np.arange(size, dtype=np.float64)
    return counts, gammaln(counts + 1)

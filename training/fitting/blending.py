"""The share of each learner in the blend, estimated from forecasts of unseen games with a prior share.

The outcome's shares have the smallest loss: minus the log-likelihood, plus ``games`` times the divergence of the shares
from the prior ones. So small leagues stay near the prior, and a larger share needs evidence.
"""

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from core.arrays import FloatArray

STEPS: Final = 10
SMALLEST_SHARE: Final = 0.02
"""A learner with a smaller share is left out."""
DECIMALS: Final = 3


def prior_shares(first: float, learners: int) -> FloatArray:
    """The first learner's share, then equal shares of the rest for the others."""
    if learners == 1:
        return np.ones(1)
    return np.array([first, *[(1 - first) / (learners - 1)] * (learners - 1)])


def outcome_shares(
    log_probabilities: FloatArray, outcomes: NDArray[np.int64], prior: FloatArray, games: float
) -> FloatArray:
    """Shares of the learners in the blend; ``log_probabilities`` has shape (learners, games, classes)."""
    if len(log_probabilities) == 1 or not len(outcomes):
        return prior
    place = np.arange(len(outcomes))
    truth = log_probabilities[:, place, outcomes].sum(axis=1)

    def loss(logits: FloatArray) -> tuple[float, FloatArray]:
        shares = softmax(logits)
        blended = np.tensordot(shares, log_probabilities, 1)
        normalised = log_softmax(blended, axis=1)
        expected = np.einsum("lgc,gc->l", log_probabilities, np.exp(normalised))
        slope = expected - truth - games * prior / shares
        value = games * float(prior @ np.log(prior / shares)) - float(normalised[place, outcomes].sum())
        return value / len(outcomes), shares * (slope - shares @ slope) / len(outcomes)

    best = minimize(loss, np.log(prior), jac=True, method="L-BFGS-B", bounds=[(-8, 8)] * len(prior)).x
    return _rounded(softmax(best))


def mean_shares(means: FloatArray, truth: FloatArray) -> FloatArray:
    """The shares, in tenths, with the smallest squared error; ``means`` has shape (learners, games)."""
    ways = _ways_to_share(len(means))
    return np.asarray(ways[int(np.argmin(((ways @ means - truth) ** 2).mean(axis=1)))])


def _rounded(shares: FloatArray) -> FloatArray:
    """The shares without the smallest, rounded: the last digits of a search are no evidence."""
    kept = np.where(shares < SMALLEST_SHARE, 0.0, shares)
    rounded = np.round(kept / kept.sum(), DECIMALS)
    rounded[int(rounded.argmax())] += 1 - rounded.sum()
    return np.asarray(np.round(rounded, DECIMALS))


def _ways_to_share(learners: int) -> FloatArray:
    """Every way to share 1 among the learners in tenths, shape (ways, learners)."""
    shares = [way for way in product(range(STEPS + 1), repeat=learners) if sum(way) == STEPS]
    return np.array(shares, dtype=np.float64) / STEPS

"""Whether a price is worth a bet: a model's probabilities shrunk toward the market's, and the edge that remains.

A model that does not see the price disagrees with it mostly by its own noise, so betting on every disagreement loses.
The share of the disagreement to keep is learned on past games, and is often zero.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from core.arrays import FloatArray

PENALTY: Final = 25.0
"""Ridge penalty that pulls the weight to 0 [nats for a weight of 1]: without evidence the market counts alone."""
NEWTON_STEPS: Final = 50


@dataclass(frozen=True)
class Shrinkage:
    """The weight of a model beside the market: 0 is the market alone, 1 the model alone."""

    weight: float
    error: float
    """Standard error of the weight."""
    games: int
    """Number of past games it was learned on."""

    def probabilities(self, model: FloatArray, market: FloatArray) -> FloatArray:
        """The pooled probabilities, shape (games, outcomes): proportional to market ** (1 - w) * model ** w.

        A logarithmic opinion pool (Genest & Zidek 1986); for two outcomes the log odds are averaged.
        """
        return np.asarray(np.exp(_pooled(self.weight, model, market)))

    def errors(self, model: FloatArray, market: FloatArray) -> FloatArray:
        """Standard errors of the pooled probabilities, from that of the weight by the delta method."""
        pooled = self.probabilities(model, market)
        gap = np.log(model) - np.log(market)
        slope = pooled * (gap - (pooled * gap).sum(axis=1, keepdims=True))
        return np.asarray(np.abs(slope) * self.error)


def learn_shrinkage(
    model: FloatArray, market: FloatArray, outcomes: NDArray[np.int64], penalty: float = PENALTY
) -> Shrinkage:
    """The weight in [0, 1] of smallest log loss on past games, with a ridge penalty toward 0.

    ``model`` and ``market`` have shape (games, outcomes); games with a NaN or an outcome below 0 do not count.
    The loss is convex in the weight and minimised by Newton's method; without games the weight is 0.
    """
    complete = ~np.isnan(model).any(axis=1) & ~np.isnan(market).any(axis=1) & (outcomes >= 0)
    model, market, outcomes = model[complete], market[complete], outcomes[complete]
    games = np.arange(len(outcomes))
    gap = np.log(model) - np.log(market)
    weight = 0.0
    for _ in range(NEWTON_STEPS):
        pooled = np.exp(_pooled(weight, model, market))
        mean_gap = (pooled * gap).sum(axis=1)
        slope = float((mean_gap - gap[games, outcomes]).sum() + 2 * penalty * weight)
        curvature = float((pooled * (gap - mean_gap[:, None]) ** 2).sum() + 2 * penalty)
        step = min(max(weight - slope / curvature, 0.0), 1.0) - weight
        weight += step
        if abs(step) < 1e-12:
            break
    return Shrinkage(weight, curvature**-0.5, len(games))


def _pooled(weight: float, model: FloatArray, market: FloatArray) -> FloatArray:
    return np.asarray(log_softmax(weight * np.log(model) + (1 - weight) * np.log(market), axis=1))


@dataclass(frozen=True)
class Value:
    """The value of a bet at some odds, by a probability with a standard error."""

    expected_value: float
    """Mean profit per unit staked: the edge."""
    low: float
    high: float
    """The edge's interval."""

    @property
    def is_certain(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.low > 0


def value(probability: float, error: float, decimal_odds: float, *, confidence: float = 0.9) -> Value:
    """The edge of a bet without a push, and its interval by a normal approximation.

    ``error`` is the probability's standard error. The interval ends where the probability would be 0 or 1.
    """
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    low, high = max(probability - reach, 0.0), min(probability + reach, 1.0)
    return Value(probability * decimal_odds - 1, low * decimal_odds - 1, high * decimal_odds - 1)

"""Odds formats, implied probabilities and the overround.

Decimal odds ``d`` return ``d`` units for one unit staked, stake included. American odds are positive for the profit on
100 staked, negative for the stake that wins 100.
"""

import math
from collections.abc import Callable
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.arrays import FloatArray
from core.errors import ValidationError

DevigMethod = Literal["multiplicative", "additive", "power", "shin", "odds_ratio", "standard_error"]

LARGEST_IMPLIED: Final = 1.0 - 1e-6
"""Odds of exactly 1.000 imply certainty, which no power lowers; they count as this probability."""

SMALLEST_FAIR: Final = 1e-6
"""Lower limit of a probability after subtracting the overround."""

HALVINGS: Final = 60

LARGEST_AMERICAN: Final = 9e15
"""Odds beyond it, either way, are not stated: larger whole numbers are not exact in JSON (RFC 8259, section 6). Decimal
odds of 9.0e13."""


def american_to_decimal(american: float) -> float:
    """Decimal odds of American odds. Raises ValidationError between -100 and 100, where there are none."""
    if not math.isfinite(american) or abs(american) < 100:
        msg = f"odds: American odds are at most -100 or at least 100, got {american:g}."
        raise ValidationError(msg, field="odds")
    return 1 + american / 100 if american > 0 else 1 + 100 / -american


def decimal_to_american(decimal: float) -> float:
    """American odds of decimal odds, unrounded. Raises ValidationError at 1 or below."""
    if not math.isfinite(decimal) or decimal <= 1:
        raise ValidationError(f"odds: decimal odds are above 1, got {decimal:g}.", field="odds")
    return (decimal - 1) * 100 if decimal >= 2 else -100 / (decimal - 1)


def can_be_stated(decimal: float) -> bool:
    """Whether decimal odds are above 1, finite, and in American odds not beyond ``LARGEST_AMERICAN``."""
    return math.isfinite(decimal) and decimal > 1 and abs(decimal_to_american(decimal)) <= LARGEST_AMERICAN


def overround(decimal: ArrayLike) -> FloatArray:
    """By how much the implied probabilities of each row exceed 1: .05 for 5 %.

    ``decimal`` has shape (games, outcomes) or (outcomes,).
    """
    return np.asarray((1 / np.asarray(decimal, dtype=np.float64)).sum(axis=-1) - 1)


def devig(decimal: ArrayLike, method: DevigMethod = "power") -> FloatArray:
    """Probabilities without the overround; shape (games, outcomes), a row with a NaN stays NaN.

    With implied probabilities q, their sum Q and fair probabilities p:

    - *multiplicative*: p = q / Q.
    - *additive*: p = q - c, one c for all outcomes; with n of them (Q - 1) / n, which are weights
      proportional to the odds (Buchdahl 2015). Where that would leave an outcome no probability, the nearest
      probabilities that do (the projection on the simplex).
    - *power*: p = q ** k (Vovk & Zhdanov 2009; Clarke, Kovalchik & Ingram 2017). Buchdahl's logarithmic method.
    - *shin*: p = (sqrt(z**2 + 4 (1 - z) q**2 / Q) - z) / (2 (1 - z)), where z is the share of insiders among
      the bettors (Shin 1993; Jullien & Salanie 1994). With two outcomes the same as additive.
    - *odds_ratio*: q / (1 - q) = c p / (1 - p), one c for all outcomes (Cheung 2015): a shift of the log odds.
    - *standard_error*: p = q - c sqrt(1 - q), so that all implied probabilities are off by the same number of
      their standard errors (Goto 2023).

    All but multiplicative take more of the overround from long shots. Safe at odds of exactly 1.000.
    """
    odds = np.atleast_2d(np.asarray(decimal, dtype=np.float64))
    implied = np.minimum(1 / odds, LARGEST_IMPLIED)
    fair = _DEVIG[method](implied)
    return np.asarray(fair / fair.sum(axis=1, keepdims=True))


def choose_devig(
    decimal: ArrayLike, outcomes: NDArray[np.int64], default: DevigMethod = "multiplicative"
) -> DevigMethod:
    """The method whose probabilities fit the outcomes of past games best, by mean log loss.

    The default is kept unless the best one is better by more than the standard error of the paired difference.
    ``decimal`` has shape (games, outcomes); games with a NaN or an outcome below 0 do not count.
    """
    odds = np.atleast_2d(np.asarray(decimal, dtype=np.float64))
    complete = ~np.isnan(odds).any(axis=1) & (outcomes >= 0)
    games = np.arange(complete.sum())
    if len(games) < 2:
        return default
    losses = {method: -np.log(devig(odds[complete], method)[games, outcomes[complete]]) for method in DEVIG_METHODS}
    best = min(DEVIG_METHODS, key=lambda method: float(losses[method].mean()))
    gains = losses[default] - losses[best]
    return best if gains.mean() > gains.std(ddof=1) / np.sqrt(len(games)) else default


def _multiplicative(implied: FloatArray) -> FloatArray:
    return implied


def _additive(implied: FloatArray) -> FloatArray:
    return _without(implied, np.ones_like(implied))


def _standard_error(implied: FloatArray) -> FloatArray:
    return _without(implied, np.sqrt(1 - implied))


def _without(implied: FloatArray, weights: FloatArray) -> FloatArray:
    """The implied probabilities less the overround, shared by weight; none ends below ``SMALLEST_FAIR``."""

    def less(amount: FloatArray) -> FloatArray:
        return np.maximum(implied - amount[:, None] * weights, SMALLEST_FAIR)

    furthest = np.full(len(implied), 1 / float(np.sqrt(1 - LARGEST_IMPLIED)))
    return less(_solved(less, -furthest, furthest))


def _power(implied: FloatArray) -> FloatArray:
    def raised(log_power: FloatArray) -> FloatArray:
        return np.asarray(implied ** np.exp(log_power)[:, None])

    furthest = np.full(len(implied), math.log(1e3))
    return raised(_solved(raised, -furthest, furthest))


def _shin(implied: FloatArray) -> FloatArray:
    squared = implied**2 / implied.sum(axis=1, keepdims=True)

    def among(insiders: FloatArray) -> FloatArray:
        z = insiders[:, None]
        return np.asarray(2 * squared / (z + np.sqrt(z**2 + 4 * (1 - z) * squared)))

    return among(_solved(among, np.zeros(len(implied)), np.ones(len(implied))))


def _odds_ratio(implied: FloatArray) -> FloatArray:
    def shifted(log_ratio: FloatArray) -> FloatArray:
        return np.asarray(implied / (implied + np.exp(log_ratio)[:, None] * (1 - implied)))

    furthest = np.full(len(implied), -2 * math.log(SMALLEST_FAIR))
    return shifted(_solved(shifted, -furthest, furthest))


def _solved(fair: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray) -> FloatArray:
    """Per row the parameter at which the fair probabilities, which fall with it, sum to 1: by bisection."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        too_small = fair(middle).sum(axis=1) > 1
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    return np.asarray((low + high) / 2)


DEVIG_METHODS: Final[tuple[DevigMethod, ...]] = get_args(DevigMethod)
_DEVIG: Final[dict[DevigMethod, Callable[[FloatArray], FloatArray]]] = {
    "multiplicative": _multiplicative,
    "additive": _additive,
    "power": _power,
    "shin": _shin,
    "odds_ratio": _odds_ratio,
    "standard_error": _standard_error,
}

"""Odds formats, implied probabilities and the bookmaker's margin.

Decimal odds ``d`` return ``d`` units for one unit staked, stake included. American odds are positive for
the profit on 100 staked, negative for the stake that wins 100.
"""

import math
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import ValidationError

FloatArray = NDArray[np.float64]
DevigMethod = Literal["multiplicative", "power"]

LARGEST_IMPLIED: Final = 1.0 - 1e-6
"""Odds of exactly 1.000 imply certainty, which no power of it can lower; treated as this much."""


def american_to_decimal(american: float) -> float:
    """Decimal odds of American odds. Raises ValidationError between -100 and 100, where none exist."""
    if not math.isfinite(american) or abs(american) < 100:
        msg = f"odds: American odds are at most -100 or at least 100, got {american:g}."
        raise ValidationError(msg, field="odds")
    return 1 + american / 100 if american > 0 else 1 + 100 / -american


def decimal_to_american(decimal: float) -> float:
    """American odds of decimal odds, unrounded. Raises ValidationError at 1 or below."""
    if not math.isfinite(decimal) or decimal <= 1:
        raise ValidationError(f"odds: decimal odds are above 1, got {decimal:g}.", field="odds")
    return (decimal - 1) * 100 if decimal >= 2 else -100 / (decimal - 1)


def overround(decimal: ArrayLike) -> FloatArray:
    """How far the implied probabilities of each row exceed 1: the bookmaker's margin, .05 for 5 %.

    ``decimal`` has shape (games, outcomes) or (outcomes,).
    """
    return np.asarray((1 / np.asarray(decimal, dtype=np.float64)).sum(axis=-1) - 1)


def devig(decimal: ArrayLike, method: DevigMethod = "power") -> FloatArray:
    """Probabilities without the bookmaker's margin; shape (games, outcomes), a row with a NaN stays NaN.

    *multiplicative* divides the implied probabilities by their sum. *power* raises them to the power that
    makes them sum to 1, which takes more of the margin from long shots (Vovk & Zhdanov 2009; Clarke,
    Kovalchik & Ingram 2017). Safe at odds of exactly 1.000.
    """
    odds = np.atleast_2d(np.asarray(decimal, dtype=np.float64))
    implied = np.minimum(1 / odds, LARGEST_IMPLIED)
    if method == "power":
        implied = implied ** _powers(implied)[:, None]
    fair: FloatArray = implied / implied.sum(axis=1, keepdims=True)
    return fair


def _powers(implied: FloatArray) -> FloatArray:
    """Per row the exponent k with sum(implied**k) = 1, by bisection on a bracket that always holds it."""
    low, high = np.full(len(implied), 1e-3), np.full(len(implied), 1e3)
    for _ in range(60):
        middle = np.sqrt(low * high)
        too_large = (implied ** middle[:, None]).sum(axis=1) > 1
        low, high = np.where(too_large, middle, low), np.where(too_large, high, middle)
    return np.asarray(np.sqrt(low * high))

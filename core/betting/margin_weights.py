"""Weights of margins that are likelier than a smooth distribution says, and the limits of Newton's method for them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.betting.odds import FloatArray

NEWTON_STEPS: Final = 30
NEWTON_TOLERANCE: Final = 1e-10


def weights_of(margins: NDArray[np.int64], weights: tuple[float, ...]) -> FloatArray:
    """The weight of each margin: ``weights[m]`` for m and -m, 1 beyond its end."""
    table = np.append(np.asarray(weights, dtype=np.float64), 1.0)
    return np.asarray(table[np.minimum(np.abs(margins), len(weights))])

"""Scores some margins of which are likelier than a smooth law says: their weights, and how far tilting goes on."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray

TILTING_STEPS: Final = 30
TILTING_TOLERANCE: Final = 1e-10


def weights_of(margins: NDArray[np.int64], weights: tuple[float, ...]) -> FloatArray:
    """The weight of each margin: ``weights[m]`` for m and -m, 1 beyond its end."""
    table = np.append(np.asarray(weights, dtype=np.float64), 1.0)
    return np.asarray(table[np.minimum(np.abs(margins), len(weights))])

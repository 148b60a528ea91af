"""Arrays and sums of numbers that every room uses."""

from collections.abc import Iterable
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def sum_in_order(values: Iterable[float]) -> float:
    """The sum of the values, added one after the other.

    The built-in ``sum`` compensates for rounding from Python 3.12 on, so that a model's bytes would depend on the
    version that trained it.
    """
    return reduce(add, values, 0.0)

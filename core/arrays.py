"""Types of numpy arrays that every room uses."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

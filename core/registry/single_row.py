"""Predicting one row by LightGBM's trees through a C call that its Python package does not offer.

``Booster.predict`` spends three quarters of a single row's time on its own checks and copies; this calls
``LGBM_BoosterPredictForMatSingleRowFast`` and gives the same bits. The library is called with the GIL held: a row takes
less time than getting the lock back from a busy thread.
"""

import ctypes
import threading
from functools import cache
from typing import Any, Final

import numpy as np

from core.arrays import FloatArray
from core.errors import ServiceError

NORMAL_PREDICTION: Final = 0
"""C_API_PREDICT_NORMAL: probabilities, or the mean of a regression."""
FLOAT64: Final = 1
"""C_API_DTYPE_FLOAT64."""


class SingleRowPredictor:
    """Predicts single rows by a Booster, which it keeps alive. Several threads may use it at once."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster
        self._width: int = booster.num_feature()
        self._threads = threading.local()

    def __call__(self, row: FloatArray) -> FloatArray:
        """Outputs of shape (outputs,) for a row of shape (features,); NaN for a missing value.

        Raises ValueError for a row of another length: a short one would be read past its end.
        """
        if row.shape != (self._width,):
            msg = f"expected a row of {self._width} features, got an array of shape {row.shape}"
            raise ValueError(msg)
        predictor: _ThreadPredictor | None = getattr(self._threads, "predictor", None)
        if predictor is None:
            predictor = self._threads.predictor = _ThreadPredictor(self._booster, self._width)
        return predictor(row)


class _ThreadPredictor:
    """One thread's configuration and buffers; the row is copied into a buffer of the right type and layout."""

    def __init__(self, booster: Any, width: int) -> None:
        self._booster = booster
        self._library = _library()
        self._row = np.empty(width)
        self._outputs = np.empty(booster.num_model_per_iteration())
        self._written = ctypes.c_int64()
        self._configuration = ctypes.c_void_p()
        self._succeed(
            self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle,  # noqa: SLF001 - the package has no public name for it
                ctypes.c_int(NORMAL_PREDICTION),
                ctypes.c_int(0),
                ctypes.c_int(booster.best_iteration),
                ctypes.c_int(FLOAT64),
                ctypes.c_int32(width),
                b"num_threads=1",
                ctypes.byref(self._configuration),
            )
        )
        self._arguments = (
            self._configuration,
            ctypes.c_void_p(self._row.ctypes.data),
            ctypes.byref(self._written),
            ctypes.c_void_p(self._outputs.ctypes.data),
        )
        self._predict = self._library.LGBM_BoosterPredictForMatSingleRowFast

    def __call__(self, row: FloatArray) -> FloatArray:
        self._row[:] = row
        self._succeed(self._predict(*self._arguments))
        return self._outputs.copy()

    def __del__(self) -> None:
        if self._configuration:
            self._library.LGBM_FastConfigFree(self._configuration)

    def _succeed(self, status: int) -> None:
        if status:
            reason = ctypes.c_char_p(self._library.LGBM_GetLastError()).value or b"no reason given"
            raise ServiceError(f"LightGBM failed: {reason.decode(errors='replace')}.")


@cache
def _library() -> ctypes.PyDLL:
    """The library that the lightgbm package has loaded, called without releasing the GIL."""
    from lightgbm import basic

    library = ctypes.PyDLL(basic._LIB._name)  # noqa: SLF001 - the package has no public name for it
    library.LGBM_GetLastError.restype = ctypes.c_void_p
    return library

"""Feature importance for the outcome's forecast: LightGBM's gain and the mean size of each feature's contribution."""

from dataclasses import dataclass
from typing import Final

import lightgbm
import numpy as np

from core.arrays import FloatArray
from training.fitting.fit import Fitted

MOST_ROWS: Final = 200


@dataclass(frozen=True, eq=False)
class Importance:
    """Both measures, one entry per feature; each sums to 1 where there is anything to share."""

    names: tuple[str, ...]
    gain: FloatArray
    """Share of the loss that the trees' splits saved in training."""
    contribution: FloatArray
    """Share of the mean absolute contribution to the home side's log-odds, linear models and trees together."""


def importance_of(fitted: Fitted, rows: FloatArray) -> Importance:
    """Each feature's importance in the forecasts of these rows, shape (games, features); of many, an even sample."""
    forecaster = fitted.forecaster()
    sample = rows[:: -(-len(rows) // MOST_ROWS)]
    effects = np.array([[one.effect for one in forecaster.explanation(row).contributions] for row in sample])
    gain = np.zeros(rows.shape[1])
    if "outcome" in fitted.trees:
        booster = lightgbm.Booster(model_str=fitted.trees["outcome"])
        gain = np.asarray(booster.feature_importance("gain"), dtype=np.float64)
    names = tuple(label.partition("@")[0] for label in fitted.spec.features)
    return Importance(names, _shares(gain), _shares(np.abs(effects).mean(axis=0)))


def _shares(values: FloatArray) -> FloatArray:
    total = values.sum()
    return values / total if total > 0 else values

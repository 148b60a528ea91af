"""One row and a thousand: a bare ``Booster.predict``, the single-row kernel, and a whole forecaster with its scores.

Interleaved rounds, medians, as a table to be pasted; every figure of one row rotates over a thousand different rows.
"""

import time
from collections.abc import Callable
from itertools import cycle
from statistics import median
from typing import Any, Final

import lightgbm
import numpy as np

from core.arrays import FloatArray
from core.registry.forecaster import Calibration, Forecaster, ForecasterSpec, Head, ScoreSpread
from core.registry.linear import Linear
from core.registry.single_row import SingleRowPredictor

FEATURES: Final = 20
ROWS: Final = 1_000
ROUNDS: Final = 15
SHAPES: Final = {
    3: ScoreSpread(scores="goals", margin_deviation=1.7, total_deviation=1.7, dispersion=1.1, tie_rate=0.0),
    2: ScoreSpread(scores="points", margin_deviation=12.5, total_deviation=18.5, dispersion=1.0, tie_rate=0.0),
}
MEANS: Final = {3: (0.3, 2.7), 2: (2.5, 222.0)}
"""Margin and total of football and of basketball."""


def run() -> None:
    print("| sport | rows | what | microseconds | of the bare call |\n| --- | --- | --- | --- | --- |")
    table = np.random.default_rng(1).normal(size=(ROWS, FEATURES))
    for classes, sport in ((3, "football, three ways"), (2, "basketball, two ways")):
        made = _forecaster(classes, table)
        booster = made._trees["outcome"]
        kernel, next_row = SingleRowPredictor(booster), cycle(table).__next__
        one = {
            "bare Booster.predict": lambda: booster.predict(next_row()[None], num_threads=1),  # noqa: B023
            "the same by the kernel": lambda: kernel(next_row()),  # noqa: B023
            "probabilities of the whole forecaster": lambda: made.probabilities(next_row()[None]),  # noqa: B023
            "forecast with its score distribution": lambda: made.predict(next_row()[None]),  # noqa: B023
        }
        many = {
            "bare Booster.predict": lambda: booster.predict(table, num_threads=1),  # noqa: B023
            "probabilities of the whole forecaster": lambda: made.probabilities(table),  # noqa: B023
            "forecasts with their score distributions": lambda: made.predict(table),  # noqa: B023
        }
        _print(sport, "1 row", _medians(one, calls=200))
        _print(sport, f"{ROWS:,} rows", _medians(many, calls=1))


def _forecaster(classes: int, table: FloatArray) -> Forecaster:
    """As large as a trained one: two linear models and 120 trees of 7 leaves for each question."""
    random = np.random.default_rng(2)
    margin, total = MEANS[classes]
    score = table[:, 0] + random.normal(size=ROWS)
    outcome: dict[str, Any] = {"objective": "binary"}
    target = (score > 0).astype(float)
    if classes == 3:
        outcome, target = {"objective": "multiclass", "num_class": 3}, np.digitize(score, (-0.5, 0.5)).astype(float)
    spec = ForecasterSpec(
        classes=("home", "draw", "away") if classes == 3 else ("home", "away"),
        features=tuple(f"feature_{number}@1" for number in range(FEATURES)),
        outcome=_head(np.zeros(classes)),
        calibration=Calibration(slope=1.0, shifts=(0.0,) * classes),
        margin=_head(np.array([margin])),
        total=_head(np.array([total])),
        shape=SHAPES[classes],
    )
    trees = {"outcome": _grown(table, target, **outcome)}
    trees |= {"margin": _grown(table, margin + score), "total": _grown(table, total + table[:, 1])}
    return Forecaster(spec, trees)


def _head(intercepts: FloatArray) -> Head:
    random = np.random.default_rng(3)

    def linear() -> Linear:
        return Linear(
            means=(0.0,) * FEATURES,
            scales=(1.0,) * FEATURES,
            coefficients=tuple(tuple(row) for row in random.normal(size=(len(intercepts), FEATURES)) / 20),
            intercepts=tuple(intercepts),
        )

    return Head(linears=(linear(), linear()), weights=(0.3, 0.4), trees_weight=0.3)


def _grown(table: FloatArray, target: FloatArray, **parameters: Any) -> lightgbm.Booster:
    usual = {"num_leaves": 7, "learning_rate": 0.04, "num_threads": 1, "verbose": -1}
    made = lightgbm.train({**usual, **parameters}, lightgbm.Dataset(table, target), num_boost_round=120)
    return lightgbm.Booster(model_str=made.model_to_string())


def _medians(works: dict[str, Callable[[], object]], *, calls: int) -> dict[str, float]:
    """Microseconds a call."""
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            work()
            began = time.perf_counter()
            for _ in range(calls):
                work()
            took[name].append((time.perf_counter() - began) / calls * 1e6)
    return {name: median(seconds) for name, seconds in took.items()}


def _print(sport: str, rows: str, medians: dict[str, float]) -> None:
    bare = medians["bare Booster.predict"]
    for name, microseconds in medians.items():
        print(f"| {sport} | {rows} | {name} | {microseconds:,.1f} | {microseconds / bare:.2f} |", flush=True)


if __name__ == "__main__":
    run()

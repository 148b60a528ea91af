"""A model's scores beside the yardsticks, as a table for people."""

from collections.abc import Iterable, Mapping
from typing import Any

from flows.output import table


def scores_table(scores: Iterable[Mapping[str, Any]]) -> str:
    """One line per forecaster, the model's first; ``scores`` are those of ``Evaluation.to_json``."""
    header = ("forecast", "games", "log loss", "brier", "accuracy", "ece", "model minus this")
    return table(header, [_line(score) for score in scores])


def _line(score: Mapping[str, Any]) -> tuple[object, ...]:
    own = score["name"].startswith("model")
    return (
        score["name"],
        score["games"],
        f"{score['log_loss']:.4f}",
        f"{score['brier']:.4f}",
        f"{score['accuracy']:.3f}",
        f"{score['calibration_error']:.3f}",
        "" if own else f"{score['difference']:+.4f} ± {score['difference_error']:.4f}",
    )

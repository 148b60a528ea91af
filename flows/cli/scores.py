"""A model's scores beside the baselines, as tables. The input is what ``Evaluation.to_json`` returns."""

from collections.abc import Iterable, Mapping
from typing import Any

from flows.cli.output import table

FORECASTERS = ("model", "base_rate", "elo", "opening", "market")


def evaluation_text(evaluation: Mapping[str, Any]) -> str:
    """The whole evaluation: scores, each measure beside each baseline, and scores by season."""
    floor, deviation = evaluation["calibration_floor"], evaluation["calibration_deviation"]
    return "\n".join(
        (
            scores_table(evaluation["scores"]),
            f"a perfect forecast of this many games has an ece of {floor:.3f} ± {deviation:.3f}",
            "",
            comparisons_table(evaluation["comparisons"]),
            "± one standard error of the paired difference on the same games, clustered by week",
            "",
            seasons_table(evaluation["by_season"]),
        )
    )


def scores_table(scores: Iterable[Mapping[str, Any]]) -> str:
    """One row per forecaster, the model first."""
    header = ("forecast", "games", "log loss", "brier", "rps", "accuracy", "ece", "model minus this")
    return table(header, [_score_row(score) for score in scores])


def comparisons_table(comparisons: Iterable[Mapping[str, Any]]) -> str:
    """One row per measure and baseline, ordered by measure."""
    header = ("measure", "beside", "games", "model", "this", "model minus this")
    ordered = sorted(comparisons, key=lambda one: _MEASURES.index(one["measure"]))
    rows = [
        (
            one["measure"].replace("_", " "),
            one["yardstick"],
            one["games"],
            _number(one["model"]),
            _number(one["other"]),
            _gap(one["difference"], one["error"]),
        )
        for one in ordered
    ]
    return table(header, rows)


_MEASURES = (
    "log_loss",
    "brier",
    "ranked_probability",
    "accuracy",
    "calibration_error",
    "margin_error",
    "total_error",
)


def seasons_table(seasons: Iterable[Mapping[str, Any]]) -> str:
    """Log loss of each forecaster, and the model's margin and total errors; one row per season."""
    rows = []
    for season in seasons:
        losses = {score["name"]: score["log_loss"] for score in season["scores"]}
        shown = (_number(losses.get(name)) for name in FORECASTERS)
        rows.append(
            (season["name"], season["games"], *shown, f"{season['margin_error']:.2f}", f"{season['total_error']:.2f}")
        )
    header = ("log loss of", "games", "model", "base rate", "elo", "opening", "market", "margin mae", "total mae")
    return table(header, rows)


def _score_row(score: Mapping[str, Any]) -> tuple[object, ...]:
    own = score["name"].startswith("model")
    return (
        score["name"],
        score["games"],
        f"{score['log_loss']:.4f}",
        f"{score['brier']:.4f}",
        _number(score["ranked_probability"]),
        f"{score['accuracy']:.3f}",
        f"{score['calibration_error']:.3f}",
        "" if own else _gap(score["difference"], score["difference_error"]),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _gap(difference: float, error: float | None) -> str:
    return f"{difference:+.4f}" if error is None else f"{difference:+.4f} ± {error:.4f}"

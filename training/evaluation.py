"""A model's scores beside the base rate, Elo and the market, on the same games."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.betting.odds import FloatArray
from training import metrics
from training.walk import Forecasts


@dataclass(frozen=True)
class Score:
    """One forecaster's scores over some games."""

    name: str
    games: int
    log_loss: float
    brier: float
    ranked_probability: float
    """NaN in two-way leagues, whose outcomes have no middle."""
    accuracy: float
    calibration_error: float
    difference: float
    """Mean of the model's log loss minus this one's, game by game; below 0 the model is better."""
    difference_error: float


@dataclass(frozen=True)
class Evaluation:
    """The model first, then the yardsticks; market rows count only games whose price is known."""

    scores: tuple[Score, ...]
    calibration_floor: float
    margin_error: float
    """Mean absolute error of the expected margin [points]."""
    total_error: float
    seasons: tuple[str, ...]
    outcome_shares: tuple[float, ...]
    """How often each outcome had happened before the last of these games: the base rate."""
    raw_log_loss: float
    """Before calibration."""

    def score(self, name: str) -> Score | None:
        return next((score for score in self.scores if score.name == name), None)

    def metrics(self) -> dict[str, float]:
        """Flat numbers for the run's record."""
        flat: dict[str, float] = {
            f"{score.name}_{key}": float(value)
            for score in self.scores
            for key, value in asdict(score).items()
            if key != "name" and np.isfinite(value)
        }
        return flat | {
            "calibration_floor": self.calibration_floor,
            "margin_error": self.margin_error,
            "total_error": self.total_error,
            "raw_log_loss": self.raw_log_loss,
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values for the registry."""
        return {
            "scores": [{key: _plain(value) for key, value in asdict(score).items()} for score in self.scores],
            "calibration_floor": self.calibration_floor,
            "margin_error": self.margin_error,
            "total_error": self.total_error,
            "seasons": list(self.seasons),
            "outcome_shares": list(self.outcome_shares),
        }


def evaluate(blocks: Sequence[Forecasts]) -> Evaluation:
    """Score all blocks together. Games that ended level where that is no outcome count for margin and total only."""
    outcomes = np.concatenate([block.games.outcomes for block in blocks])
    decided = outcomes >= 0
    outcomes = outcomes[decided]

    def gathered(parts: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(np.concatenate(parts)[decided])

    model = gathered([block.probabilities for block in blocks])
    yardsticks = {
        "base_rate": gathered([block.base_rate for block in blocks]),
        "elo": gathered([block.elo for block in blocks]),
        "opening": gathered([block.games.opening for block in blocks]),
        "market": gathered([block.games.closing for block in blocks]),
    }
    scores = [_score("model", model, outcomes, model)]
    for name, probabilities in yardsticks.items():
        known = ~np.isnan(probabilities).any(axis=1)
        if known.any():
            scores.append(_score(name, probabilities[known], outcomes[known], model[known]))
            if name == "market" and not known.all():
                scores.append(_score("model_where_priced", model[known], outcomes[known], model[known]))
    forecasts = [forecast for block in blocks for forecast in block.forecasts]
    margins = np.concatenate([block.games.margins for block in blocks])
    totals = np.concatenate([block.games.totals for block in blocks])
    raw = gathered([block.uncalibrated for block in blocks])
    return Evaluation(
        scores=tuple(scores),
        calibration_floor=metrics.calibration_floor(model),
        margin_error=float(np.abs(margins - [forecast.margin for forecast in forecasts]).mean()),
        total_error=float(np.abs(totals - [forecast.total for forecast in forecasts]).mean()),
        seasons=tuple(block.block for block in blocks),
        outcome_shares=tuple(blocks[-1].base_rate[0].tolist()),
        raw_log_loss=float(metrics.log_losses(raw / raw.sum(axis=1, keepdims=True), outcomes).mean()),
    )


def _score(name: str, probabilities: FloatArray, outcomes: metrics.Indices, model: FloatArray) -> Score:
    losses = metrics.log_losses(probabilities, outcomes)
    difference = metrics.log_losses(model, outcomes) - losses
    return Score(
        name=name,
        games=len(outcomes),
        log_loss=float(losses.mean()),
        brier=float(metrics.brier_scores(probabilities, outcomes).mean()),
        ranked_probability=(
            float(metrics.ranked_probability_scores(probabilities, outcomes).mean())
            if probabilities.shape[1] == 3
            else float("nan")
        ),
        accuracy=metrics.accuracy(probabilities, outcomes),
        calibration_error=metrics.calibration_error(probabilities, outcomes),
        difference=float(difference.mean()),
        difference_error=metrics.standard_error(difference),
    )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value

"""From a feature row to one score distribution: linear models and a LightGBM model per question, blended.

Three questions are asked of every row: who wins (outcome), by how much (margin), and how many in all
(total). Margin and total give the shape of the joint score distribution, and its three regions are then
moved to the outcome's calibrated probabilities, so that everything priced from it agrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.special import log_softmax, softmax

from core.betting.odds import FloatArray
from core.betting.scores import Outcome, ScoreDistribution

SMALLEST_PROBABILITY: Final = 1e-6


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Linear(_Part):
    """A linear model on standardised features; a feature that is not known counts as its training mean."""

    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]
    """One row per output."""
    intercepts: tuple[float, ...]

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Outputs of shape (rows, outputs)."""
        standardised = np.nan_to_num((rows - np.array(self.means)) / np.array(self.scales), nan=0.0)
        return np.asarray(standardised @ np.array(self.coefficients).T + np.array(self.intercepts))


class Calibration(_Part):
    """A slope on the blended log-probabilities and a shift per class, fitted on forecasts of unseen games."""

    slope: float
    shifts: tuple[float, ...]

    def __call__(self, log_probabilities: FloatArray) -> FloatArray:
        """Calibrated probabilities, rows summing to 1."""
        return np.asarray(softmax(self.slope * log_probabilities + np.array(self.shifts), axis=1))


class Head(_Part):
    """One question: the linear answers with their shares in the blend, and the share of the trees' answer."""

    linears: tuple[Linear, ...]
    weights: tuple[float, ...]
    """One per linear model; with ``trees_weight`` they sum to 1."""
    trees_weight: float


class Shape(_Part):
    """What a row says nothing of: how widely scores spread around their means in this league."""

    scores: Literal["goals", "points"]
    margin_deviation: float
    total_deviation: float
    dispersion: float
    """Variance over mean of one side's score; used for goals."""
    tie_rate: float
    """Share of games that end level in a league where that is no outcome."""


class ForecasterSpec(_Part):
    """Everything of a forecaster but its trees, as it stands in the bundle's ``forecaster.json``."""

    classes: tuple[str, ...]
    """("home", "draw", "away") or ("home", "away"), in the order of the outputs."""
    features: tuple[str, ...]
    """Names with versions, in column order."""
    outcome: Head
    calibration: Calibration
    margin: Head
    total: Head
    shape: Shape


QUESTIONS: Final = ("outcome", "margin", "total")


@dataclass(frozen=True)
class Forecast:
    """What a model expects of one game. ``outcome`` and the means are those of ``scores``."""

    scores: ScoreDistribution

    @property
    def outcome(self) -> Outcome:
        return self.scores.outcome

    @property
    def margin(self) -> float:
        """Expected home margin [points]."""
        return self.scores.margin_mean

    @property
    def total(self) -> float:
        """Expected sum of both scores [points]."""
        return self.scores.total_mean


class Forecaster:
    """A forecaster ready to answer. ``trees`` maps each question that uses trees to a LightGBM Booster."""

    def __init__(self, spec: ForecasterSpec, trees: dict[str, Any]) -> None:
        self.spec = spec
        self._trees = trees

    def predict(self, rows: Sequence[Sequence[float]] | FloatArray) -> list[Forecast]:
        """One forecast per feature row; ``rows`` has shape (games, features), NaN where a feature is not known."""
        table = np.asarray(rows, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.spec.features):
            msg = f"expected rows of {len(self.spec.features)} features, got an array of shape {table.shape}"
            raise ValueError(msg)
        probabilities = self.probabilities(table)
        margins, totals = self.mean("margin", table), self.mean("total", table)
        return [
            Forecast(self._scores(self._outcome(row), float(margin), float(total)))
            for row, margin, total in zip(probabilities, margins, totals, strict=True)
        ]

    def probabilities(self, table: FloatArray) -> FloatArray:
        """Calibrated class probabilities, shape (games, classes)."""
        return self.spec.calibration(self.blended(table))

    def blended(self, table: FloatArray) -> FloatArray:
        """Log-probabilities before calibration, shape (games, classes)."""
        head = self.spec.outcome
        answers = zip(head.weights, head.linears, strict=True)
        said = sum(weight * log_softmax(linear(table), axis=1) for weight, linear in answers if weight)
        if head.trees_weight:
            said = said + head.trees_weight * np.log(np.clip(self._tree_probabilities(table), SMALLEST_PROBABILITY, 1))
        return np.asarray(said)

    def mean(self, question: Literal["margin", "total"], table: FloatArray) -> FloatArray:
        """Expected margin or total before the outcome moves it, shape (games,)."""
        head: Head = getattr(self.spec, question)
        answers = zip(head.weights, head.linears, strict=True)
        said = sum(weight * linear(table)[:, 0] for weight, linear in answers if weight)
        if head.trees_weight:
            said = said + head.trees_weight * self._trees[question].predict(table, num_threads=1)
        return np.asarray(said)

    def _tree_probabilities(self, table: FloatArray) -> FloatArray:
        answer = np.asarray(self._trees["outcome"].predict(table, num_threads=1))
        return answer if answer.ndim == 2 else np.column_stack((answer, 1 - answer))

    def _outcome(self, row: FloatArray) -> Outcome:
        if len(row) == 3:
            return Outcome(*(float(value) for value in row))
        decided = 1 - self.spec.shape.tie_rate
        return Outcome(float(row[0]) * decided, self.spec.shape.tie_rate, float(row[1]) * decided)

    def _scores(self, outcome: Outcome, margin: float, total: float) -> ScoreDistribution:
        shape = self.spec.shape
        if shape.scores == "goals":
            scores = ScoreDistribution.of_goals((total + margin) / 2, (total - margin) / 2, shape.dispersion)
        else:
            scores = ScoreDistribution.of_points(margin, total, shape.margin_deviation, shape.total_deviation)
        return scores.tilted(outcome)

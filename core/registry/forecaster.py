"""From a feature row to one score distribution: linear models and a LightGBM model per question, blended.

For every row it predicts three questions: who wins (outcome), by how much (margin), and how many points in all (total).
Margin and total give a joint score distribution, whose home wins, draws and away wins are then reweighted to the
outcome's calibrated probabilities, so that everything priced from it agrees.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from core.arrays import FloatArray
from core.betting.goal_model import goal_grids
from core.betting.point_model import point_grids
from core.betting.scores import Outcome, ScoreDistribution, ScoreDistributions
from core.registry.linear import Linear, LinearStack
from core.registry.pooling_weight import PoolingWeight
from core.registry.single_row import SingleRowPredictor

SMALLEST_PROBABILITY: Final = 1e-6
FEW_ROWS: Final = 64
"""Up to so many rows are predicted one by one by the trees: ``Booster.predict`` has a fixed cost of a few rows."""


class _SpecPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Calibration(_SpecPart):
    """A slope on the blended log-probabilities and a shift per class, fitted on forecasts of unseen games."""

    slope: float
    shifts: tuple[float, ...]

    def __call__(self, log_probabilities: FloatArray) -> FloatArray:
        """Calibrated probabilities, rows summing to 1."""
        return np.exp(log_softmax(self.slope * log_probabilities + self.shifts))


class Head(_SpecPart):
    """One question: the linear models with their shares in the blend, and the share of the trees."""

    linears: tuple[Linear, ...]
    weights: tuple[float, ...]
    """One per linear model; with ``trees_weight`` they sum to 1."""
    trees_weight: float


class ScoreSpread(_SpecPart):
    """How widely scores spread around their expected values in a league; the same for every row."""

    scores: Literal["goals", "points"]
    margin_deviation: float
    total_deviation: float
    dispersion: float
    """Variance over mean of one side's score; used for goals."""
    tie_rate: float
    """Share of games that end level, in a league where a level score is no outcome."""
    margin_weights: tuple[float, ...] = ()
    """How many times likelier a decided game ends m apart than the smooth distribution says, by m; 1 beyond the end."""
    overtime_share: float | None = None
    """Share of the games won by one that were level after regulation; None where overtime is not decided by one."""

    def distribution(self, margin: float, total: float) -> ScoreDistribution:
        """The scores around an expected margin and total, before they are reweighted to the outcome."""
        return self.distributions(np.array((margin,)), np.array((total,)))[0]

    def distributions(self, margins: FloatArray, totals: FloatArray) -> ScoreDistributions:
        """The same for many games, by their expected margins and totals."""
        if self.scores == "goals":
            means = np.stack((totals + margins, totals - margins)) / 2
            grids = goal_grids(means, self.dispersion, self.margin_weights)
        else:
            deviations = self.margin_deviation, self.total_deviation
            grids = point_grids(margins, totals, *deviations, self.margin_weights)
        return ScoreDistributions.of(grids, self.overtime_share)


class Band(_SpecPart):
    """How often favourites of a given forecast probability have won: a range, linear between knots."""

    chances: tuple[float, ...]
    """Forecast probabilities of the favourite, increasing."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    method: str
    """What the range means, in one line."""

    def __call__(self, chances: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Low and high, shape (games,); the chance itself always lies between them."""
        low, high = (np.interp(chances, self.chances, edge) for edge in (self.low, self.high))
        return np.minimum(low, chances), np.maximum(high, chances)


class ForecasterSpec(_SpecPart):
    """Everything of a forecaster but its trees: the content of the bundle's ``forecaster.json``."""

    classes: tuple[str, ...]
    """("home", "draw", "away") or ("home", "away"), in the order of the outputs."""
    features: tuple[str, ...]
    """Names with versions, in column order."""
    outcome: Head
    calibration: Calibration
    margin: Head
    total: Head
    shape: ScoreSpread
    band: Band | None = None
    """None when there were too few unseen games to estimate it."""
    belief: PoolingWeight | None = None
    """The model's weight beside the market; None when too few games had a price, and bets cannot be valued then."""

    @model_validator(mode="after")
    def _must_fit_together(self) -> Self:
        for question, outputs in (("outcome", len(self.classes)), ("margin", 1), ("total", 1)):
            head: Head = getattr(self, question)
            if len(head.weights) != len(head.linears):
                raise ValueError(f"{question}: {len(head.linears)} linear models, {len(head.weights)} weights")
            for linear in head.linears:
                widths = {len(linear.means), len(linear.scales), *map(len, linear.coefficients)}
                if widths != {len(self.features)} or not len(linear.coefficients) == len(linear.intercepts) == outputs:
                    raise ValueError(f"{question}: a linear model does not fit {len(self.features)} features")
        return self


QUESTIONS: Final = ("outcome", "margin", "total")
FORECAST_COLUMNS: Final = ("p_home", "p_draw", "p_away", "margin", "total")
"""Names of ``Forecast.numbers`` where forecasts form a table."""


@dataclass(frozen=True)
class Interval:
    """A range for the chance of the favourite, and what it means."""

    selection: str
    low: float
    high: float
    method: str


@dataclass(frozen=True)
class Forecast:
    """A model's forecast of one game."""

    outcome: Outcome
    margin: float
    """Expected home margin [points]."""
    total: float
    """Expected sum of both scores [points]."""
    interval: Interval | None
    """None when the model has no band."""
    _scores_of_game: Callable[[], ScoreDistribution]

    @cached_property
    def scores(self) -> ScoreDistribution:
        """The score distribution, of which ``outcome`` and the means are sums."""
        return self._scores_of_game()

    @property
    def numbers(self) -> tuple[float, float, float, float, float]:
        """In the order of ``FORECAST_COLUMNS``."""
        return (self.outcome.home, self.outcome.draw, self.outcome.away, self.margin, self.total)


@dataclass(frozen=True)
class Contribution:
    """How much one feature's value adds to the logarithm of P(home win) over P(away win)."""

    feature: str
    value: float
    effect: float


@dataclass(frozen=True)
class Explanation:
    """Why a forecast differs from the average: ``baseline`` and all effects sum to its log-odds, home over away."""

    baseline: float
    contributions: tuple[Contribution, ...]
    """One per feature, in column order."""


class Forecaster:
    """A forecaster ready to predict. ``trees`` maps each question that uses trees to a LightGBM Booster."""

    def __init__(self, spec: ForecasterSpec, trees: dict[str, Any]) -> None:
        self.spec = spec
        self._trees = trees
        self._kernels = {question: SingleRowPredictor(booster) for question, booster in trees.items()}
        head = spec.outcome
        used = [(weight, linear) for weight, linear in zip(head.weights, head.linears, strict=True) if weight]
        self._outcome_weights = np.array([weight for weight, _ in used])
        outputs = [[(1.0, linear, place)] for _, linear in used for place in range(len(spec.classes))]
        means = [
            [(weight, linear, 0) for weight, linear in zip(mean.weights, mean.linears, strict=True)]
            for mean in (spec.margin, spec.total)
        ]
        self._linear = LinearStack([*outputs, *means], len(spec.features))

    def predict(self, rows: Sequence[Sequence[float]] | FloatArray) -> list[Forecast]:
        """One forecast per feature row; ``rows`` has shape (games, features), NaN for a missing value.

        A row's forecast is the same to the last bit whatever other rows are predicted with it: response bodies are
        cached by their content, and compared by their hash.
        """
        table = np.asarray(rows, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.spec.features):
            msg = f"expected rows of {len(self.spec.features)} features, got an array of shape {table.shape}"
            raise ValueError(msg)
        linear = self._linear(table)
        probabilities = self.spec.calibration(self._blended(table, linear))
        margins, totals = self._mean("margin", table, linear), self._mean("total", table, linear)
        intervals = self._intervals(probabilities)
        scores = self.spec.shape.distributions(margins, totals).with_outcomes(self._outcomes(probabilities))
        return [
            Forecast(Outcome(home, draw, away), margin, total, interval, partial(scores.__getitem__, game))
            for game, ((home, draw, away, margin, total), interval) in enumerate(
                zip(scores.numbers.T.tolist(), intervals, strict=True)
            )
        ]

    def probabilities(self, table: FloatArray) -> FloatArray:
        """Calibrated class probabilities, shape (games, classes)."""
        return self.spec.calibration(self.blended(table))

    def blended(self, table: FloatArray) -> FloatArray:
        """Log-probabilities before calibration, shape (games, classes)."""
        return self._blended(table, self._linear(table))

    def mean(self, question: Literal["margin", "total"], table: FloatArray) -> FloatArray:
        """Expected margin or total before the reweighting to the outcome, shape (games,)."""
        return self._mean(question, table, self._linear(table))

    def explanation(self, row: Sequence[float] | FloatArray) -> Explanation:
        """What each feature adds to the calibrated log-odds of a home win over an away win.

        Linear models: coefficient times standardised value; trees: Shapley values, LightGBM's ``pred_contrib``
        (Lundberg 2018). Takes milliseconds, too long for a cached request.
        """
        table = np.array([row], dtype=np.float64)
        away = len(self.spec.classes) - 1
        slope, shifts = self.spec.calibration.slope, self.spec.calibration.shifts
        effects, baseline = np.zeros(len(self.spec.features)), shifts[0] - shifts[away]
        for number, weight in enumerate(self._outcome_weights):
            first = number * len(self.spec.classes)
            moved, start = self._linear.difference(table, first, first + away)
            effects, baseline = effects + slope * weight * moved, baseline + slope * weight * start
        if self.spec.outcome.trees_weight:
            outputs = self._trees["outcome"].predict(table, pred_contrib=True, num_threads=1)
            raw = outputs.reshape(-1, len(self.spec.features) + 1)
            by_trees = slope * self.spec.outcome.trees_weight * (raw[0] if len(raw) == 1 else raw[0] - raw[-1])
            effects, baseline = effects + by_trees[:-1], baseline + by_trees[-1]
        names = (label.partition("@")[0] for label in self.spec.features)
        return Explanation(
            float(baseline),
            tuple(
                Contribution(name, float(value), float(effect))
                for name, value, effect in zip(names, table[0], effects, strict=True)
            ),
        )

    def _blended(self, table: FloatArray, linear: FloatArray) -> FloatArray:
        games, classes, learners = len(table), len(self.spec.classes), len(self._outcome_weights)
        scores = linear[:, : learners * classes].reshape(games, learners, classes)
        blended = self._outcome_weights @ log_softmax(scores)
        weight = self.spec.outcome.trees_weight
        if weight:
            outputs = self._tree_outputs("outcome", table)
            outputs = outputs if outputs.shape[1] > 1 else np.hstack((outputs, 1 - outputs))
            blended = blended + weight * np.log(np.maximum(outputs, SMALLEST_PROBABILITY))
        return np.asarray(blended)

    def _mean(self, question: Literal["margin", "total"], table: FloatArray, linear: FloatArray) -> FloatArray:
        mean = linear[:, -2 if question == "margin" else -1]
        weight: float = getattr(self.spec, question).trees_weight
        return mean + weight * self._tree_outputs(question, table)[:, 0] if weight else mean

    def _tree_outputs(self, question: str, table: FloatArray) -> FloatArray:
        """The trees' outputs, shape (games, outputs); a few rows are predicted one by one."""
        if len(table) <= FEW_ROWS:
            return np.array([self._kernels[question](row) for row in table])
        return np.asarray(self._trees[question].predict(table, num_threads=1)).reshape(len(table), -1)

    def _intervals(self, probabilities: FloatArray) -> list[Interval | None]:
        """Ranges of the favourite's chance in ``Forecast.outcome``, of which a level score may take its share."""
        band = self.spec.band
        if band is None:
            return [None] * len(probabilities)
        favourites = probabilities.argmax(axis=1)
        decided = 1.0 if len(self.spec.classes) == 3 else 1 - self.spec.shape.tie_rate
        low, high = (decided * edge for edge in band(probabilities.max(axis=1)))
        return [
            Interval(self.spec.classes[favourite], float(least), float(most), band.method)
            for favourite, least, most in zip(favourites, low, high, strict=True)
        ]

    def _outcomes(self, probabilities: FloatArray) -> FloatArray:
        """Home win, draw and away win of each game, shape (3, games)."""
        if len(self.spec.classes) == 3:
            return probabilities.T
        ties, decided = self.spec.shape.tie_rate, 1 - self.spec.shape.tie_rate
        home, away = probabilities.T * decided
        return np.stack((home, np.full_like(home, ties), away))


def log_softmax(scores: FloatArray) -> FloatArray:
    """Logarithms of probabilities that are proportional to exp(scores), over the last axis."""
    with np.errstate(invalid="ignore"):  # NaN stays NaN, and the caller checks for it
        return np.asarray(scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True))

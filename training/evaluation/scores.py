"""A model's scores beside the base rate, Elo and the market, on the same games.

Every comparison is paired: both forecasters on the very games for which both are known, the mean of the
differences game by game, and its standard error with the games of a week as one cluster, because a week's games share
teams, form and whatever the league is going through. For the calibration error, which is no mean over games, the
standard error comes from a bootstrap over the same weeks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import scoring as metrics
from core.arrays import FloatArray
from core.errors import ServiceError
from core.registry.held_out import HeldOut
from training.evaluation.walk_forward import Forecasts


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
class Comparison:
    """One measure of the model beside one yardstick, on the games for which both are known."""

    measure: str
    yardstick: str
    games: int
    model: float
    other: float
    difference: float
    """The model's minus the yardstick's; below 0 the model is better, but for accuracy."""
    error: float
    """Standard error of the difference; NaN within a single week."""


@dataclass(frozen=True)
class Season:
    """The same of one season (or part) alone."""

    name: str
    games: int
    scores: tuple[Score, ...]
    """None where every game ended level and that is no outcome."""
    margin_error: float
    total_error: float


@dataclass(frozen=True)
class Evaluation:
    """The model first, then the yardsticks; market rows count only games whose price is known."""

    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    by_season: tuple[Season, ...]
    calibration_floor: float
    """Mean calibration error of a perfect forecast at this number of games."""
    calibration_deviation: float
    """How far a perfect forecast's calibration error strays from that by chance (standard deviation)."""
    margin_error: float
    """Mean absolute error of the expected margin [points]."""
    total_error: float
    outcome_shares: tuple[float, ...]
    """How often each outcome had happened before the last of these games: the base rate."""
    raw_log_loss: float
    """Before calibration."""

    @property
    def seasons(self) -> tuple[str, ...]:
        return tuple(season.name for season in self.by_season)

    def score(self, name: str) -> Score | None:
        return next((score for score in self.scores if score.name == name), None)

    def metrics(self) -> dict[str, float]:
        """Flat numbers for the run's record."""
        flat = {
            f"{score.name}_{key}": value
            for score in self.scores
            for key, value in asdict(score).items()
            if key not in ("name", "difference", "difference_error")
        }
        for one in self.comparisons:
            flat[f"{one.measure}_minus_{one.yardstick}"] = one.difference
            flat[f"{one.measure}_minus_{one.yardstick}_error"] = one.error
        flat |= {key: value for key, value in asdict(self).items() if isinstance(value, float)}
        return {name: float(value) for name, value in flat.items() if np.isfinite(value)}

    def season_metrics(self) -> dict[str, list[tuple[int, float]]]:
        """(season, value) for the run's curves; parts of a league with few seasons are counted from 1."""
        curves: dict[str, list[tuple[int, float]]] = {}
        for number, season in enumerate(self.by_season, start=1):
            step = int(season.name) if season.name.isdecimal() else number
            found = {f"season_{score.name}_log_loss": score.log_loss for score in season.scores}
            found |= {"season_margin_error": season.margin_error, "season_total_error": season.total_error}
            for name, value in found.items():
                curves.setdefault(name, []).append((step, value))
        return curves

    def to_json(self) -> dict[str, Any]:
        """Plain values for the registry; NaN becomes None."""
        content: dict[str, Any] = _plain(asdict(self))
        return content | {"seasons": list(self.seasons)}


def evaluate(blocks: Sequence[Forecasts]) -> Evaluation:
    """Score all blocks together and each alone.

    Games that ended level where that is no outcome count for margin and total only. Raises ServiceError when all did.
    """
    together = _Together(blocks)
    if not len(together.outcomes):
        league, names = blocks[0].games.league.key, ", ".join(block.block for block in blocks)
        msg = f"{league}: all {len(together.mask)} games held out ({names}) ended level; there is nothing to judge by."
        raise ServiceError(
            msg, hint="Look at their scores, or back-fill more seasons with `dbsbm backfill`.", reason="held_out_level"
        )
    raw = together.decided([block.uncalibrated for block in blocks])
    perfect = metrics.perfect_calibration_errors(together.model)
    return Evaluation(
        scores=together.scores(),
        comparisons=(*together.comparisons(), *_expectations(blocks)),
        by_season=tuple(_season(block) for block in blocks),
        calibration_floor=float(perfect.mean()),
        calibration_deviation=float(perfect.std(ddof=1)),
        margin_error=_mean_error(blocks, "margin"),
        total_error=_mean_error(blocks, "total"),
        outcome_shares=tuple(blocks[-1].base_rate[0].tolist()),
        raw_log_loss=float(metrics.log_losses(raw / raw.sum(axis=1, keepdims=True), together.outcomes).mean()),
    )


def held_out(blocks: Sequence[Forecasts]) -> HeldOut:
    """What the model lost on each decided game of the blocks."""
    together = _Together(blocks)
    ids = [game_id for block in blocks for game_id in block.games.game_ids]
    return HeldOut(
        game_ids=tuple(game_id for game_id, kept in zip(ids, together.mask, strict=True) if kept),
        starts=together.starts,
        outcomes=together.outcomes,
        losses=metrics.log_losses(together.model, together.outcomes),
        learnt=np.repeat([block.learnt for block in blocks], [len(block.games) for block in blocks])[together.mask],
    )


class _Together:
    """The decided games of some blocks as one table."""

    def __init__(self, blocks: Sequence[Forecasts]) -> None:
        outcomes = np.concatenate([block.games.outcomes for block in blocks])
        self.mask: NDArray[np.bool_] = outcomes >= 0
        self.outcomes = outcomes[self.mask]
        self.starts = self.decided([block.games.starts for block in blocks])
        self.weeks = metrics.weeks(self.starts)
        self.model = self.decided([block.probabilities for block in blocks])
        self.yardsticks = {
            "base_rate": self.decided([block.base_rate for block in blocks]),
            "elo": self.decided([block.elo for block in blocks]),
            "opening": self.decided([block.games.opening for block in blocks]),
            "market": self.decided([block.games.closing for block in blocks]),
        }

    def decided(self, parts: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(np.concatenate(parts)[self.mask])

    def known(self) -> dict[str, NDArray[np.bool_]]:
        """By yardstick the games it has a forecast of; a yardstick that has none is left out."""
        masks = {name: np.asarray(~np.isnan(said).any(axis=1)) for name, said in self.yardsticks.items()}
        return {name: mask for name, mask in masks.items() if mask.any()}

    def scores(self) -> tuple[Score, ...]:
        everywhere = np.ones(len(self.outcomes), dtype=bool)
        scores = [self._score("model", self.model, everywhere)]
        for name, known in self.known().items():
            scores.append(self._score(name, self.yardsticks[name], known))
            if name == "market" and not known.all():
                scores.append(self._score("model_where_priced", self.model, known))
        return tuple(scores)

    def _score(self, name: str, said: FloatArray, chosen: NDArray[np.bool_]) -> Score:
        said, outcomes = said[chosen], self.outcomes[chosen]
        losses = metrics.log_losses(said, outcomes)
        difference = metrics.log_losses(self.model[chosen], outcomes) - losses
        ranked = metrics.ranked_probability_scores(said, outcomes) if said.shape[1] == 3 else np.array([np.nan])
        return Score(
            name=name,
            games=len(outcomes),
            log_loss=float(losses.mean()),
            brier=float(metrics.brier_scores(said, outcomes).mean()),
            ranked_probability=float(ranked.mean()),
            accuracy=metrics.accuracy(said, outcomes),
            calibration_error=metrics.calibration_error(said, outcomes),
            difference=float(difference.mean()),
            difference_error=metrics.standard_error(difference, self.weeks[chosen]),
        )

    def comparisons(self) -> list[Comparison]:
        measures = {"log_loss": metrics.log_losses, "brier": metrics.brier_scores, "accuracy": metrics.hits}
        if self.model.shape[1] == 3:
            measures["ranked_probability"] = metrics.ranked_probability_scores
        found = []
        for name, chosen in self.known().items():
            outcomes, weeks = self.outcomes[chosen], self.weeks[chosen]
            model, other = self.model[chosen], self.yardsticks[name][chosen]
            for measure, by_game in measures.items():
                found.append(_comparison(measure, name, by_game(model, outcomes), by_game(other, outcomes), weeks))
            own, others = (metrics.calibration_error(said, outcomes) for said in (model, other))
            error = metrics.calibration_difference_error(model, other, outcomes, weeks)
            found.append(Comparison("calibration_error", name, len(outcomes), own, others, own - others, error))
        return found


def _comparison(
    measure: str, yardstick: str, model: FloatArray, other: FloatArray, weeks: metrics.Indices
) -> Comparison:
    difference = model - other
    return Comparison(
        measure=measure,
        yardstick=yardstick,
        games=len(model),
        model=float(model.mean()),
        other=float(other.mean()),
        difference=float(difference.mean()),
        error=metrics.standard_error(difference, weeks),
    )


def _expectations(blocks: Sequence[Forecasts]) -> list[Comparison]:
    """Expected margin and total beside those of base rate, Elo and the opening and closing lines, ties included."""
    weeks = metrics.weeks(np.concatenate([block.games.starts for block in blocks]))
    found = []
    for place, question in enumerate(("margin", "total")):
        truth, model = _truth_and_forecast(blocks, question)
        said: Mapping[str, FloatArray] = {
            **{name: np.concatenate([block.expected[name][place] for block in blocks]) for name in blocks[0].expected},
            "opening": np.concatenate([getattr(block.games, f"opening_{question}") for block in blocks]),
            "market": np.concatenate([getattr(block.games, f"closing_{question}") for block in blocks]),
        }
        for name, expected in said.items():
            known = ~np.isnan(expected)
            if known.any():
                errors = [np.abs(truth - forecast)[known] for forecast in (model, expected)]
                found.append(_comparison(f"{question}_error", name, errors[0], errors[1], weeks[known]))
    return found


def _truth_and_forecast(blocks: Sequence[Forecasts], question: str) -> tuple[FloatArray, FloatArray]:
    truth = np.concatenate([getattr(block.games, f"{question}s") for block in blocks])
    said = [getattr(forecast, question) for block in blocks for forecast in block.forecasts]
    return truth, np.array(said, dtype=np.float64)


def _mean_error(blocks: Sequence[Forecasts], question: str) -> float:
    truth, said = _truth_and_forecast(blocks, question)
    return float(np.abs(truth - said).mean())


def _season(block: Forecasts) -> Season:
    together = _Together([block])
    return Season(
        name=block.block,
        games=len(block.games),
        scores=together.scores() if len(together.outcomes) else (),
        margin_error=_mean_error([block], "margin"),
        total_error=_mean_error([block], "total"),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value

"""A model's scores beside the base rate, Elo and the market, on the same games.

Every comparison is paired: on the games for which both forecasts exist, the mean of the differences game by game, and
its standard error with the games of a week as one cluster, because a week's games share teams, form and circumstances.
For the calibration error, which is no mean over games, the standard error comes from a bootstrap over the same weeks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import scoring
from core.arrays import FloatArray
from core.errors import ServiceError
from core.registry.held_out import HeldOut
from training.evaluation.walk_forward import Forecasts


@dataclass(frozen=True)
class ForecasterScore:
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
    """One measure of the model beside one yardstick, on the games for which both exist."""

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
class SeasonScores:
    """The scores of one season (or part) alone."""

    name: str
    games: int
    scores: tuple[ForecasterScore, ...]
    """Empty if every game ended level and that is no outcome."""
    margin_error: float
    total_error: float


@dataclass(frozen=True)
class Evaluation:
    """Scores and comparisons: the model first, then the yardsticks; market rows count only games that have a price."""

    scores: tuple[ForecasterScore, ...]
    comparisons: tuple[Comparison, ...]
    by_season: tuple[SeasonScores, ...]
    calibration_floor: float
    """Mean calibration error of a perfect forecast at this number of games."""
    calibration_deviation: float
    """Standard deviation of a perfect forecast's calibration error."""
    margin_error: float
    """Mean absolute error of the expected margin [points]."""
    total_error: float
    outcome_shares: tuple[float, ...]
    """Share of each outcome before the last block: the base rate."""
    raw_log_loss: float
    """The model's log loss before calibration."""

    @property
    def seasons(self) -> tuple[str, ...]:
        return tuple(season.name for season in self.by_season)

    def score(self, name: str) -> ForecasterScore | None:
        return next((score for score in self.scores if score.name == name), None)

    def metrics(self) -> dict[str, float]:
        """Numbers by name, for the run's record; those that are not finite are left out."""
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
        """(season, value) pairs for the run's curves; parts of a league with few seasons are numbered from 1."""
        curves: dict[str, list[tuple[int, float]]] = {}
        for number, season in enumerate(self.by_season, start=1):
            step = int(season.name) if season.name.isdecimal() else number
            values = {f"season_{score.name}_log_loss": score.log_loss for score in season.scores}
            values |= {"season_margin_error": season.margin_error, "season_total_error": season.total_error}
            for name, value in values.items():
                curves.setdefault(name, []).append((step, value))
        return curves

    def to_json(self) -> dict[str, Any]:
        """Plain values for the registry; NaN becomes None."""
        content: dict[str, Any] = _plain(asdict(self))
        return content | {"seasons": list(self.seasons)}


def evaluate(blocks: Sequence[Forecasts]) -> Evaluation:
    """Score all blocks together and each alone.

    Games that ended level where that is no outcome count for margin and total only. Raises ServiceError if all did.
    """
    decided_games = _DecidedGames(blocks)
    if not len(decided_games.outcomes):
        league, names = blocks[0].games.league.key, ", ".join(block.block for block in blocks)
        held_out_games = f"all {len(decided_games.mask)} games held out ({names})"
        msg = f"{league}: {held_out_games} ended level; there is nothing to evaluate."
        raise ServiceError(
            msg, hint="Check their scores, or back-fill more seasons with `dbsbm backfill`.", reason="held_out_level"
        )
    raw = decided_games.decided([block.uncalibrated for block in blocks])
    perfect = scoring.perfect_calibration_errors(decided_games.model)
    return Evaluation(
        scores=decided_games.scores(),
        comparisons=(*decided_games.comparisons(), *_expectations(blocks)),
        by_season=tuple(_season(block) for block in blocks),
        calibration_floor=float(perfect.mean()),
        calibration_deviation=float(perfect.std(ddof=1)),
        margin_error=_mean_error(blocks, "margin"),
        total_error=_mean_error(blocks, "total"),
        outcome_shares=tuple(blocks[-1].base_rate[0].tolist()),
        raw_log_loss=float(scoring.log_losses(raw / raw.sum(axis=1, keepdims=True), decided_games.outcomes).mean()),
    )


def held_out(blocks: Sequence[Forecasts]) -> HeldOut:
    """The model's log loss on each decided game of the blocks."""
    decided_games = _DecidedGames(blocks)
    ids = [game_id for block in blocks for game_id in block.games.game_ids]
    return HeldOut(
        game_ids=tuple(game_id for game_id, kept in zip(ids, decided_games.mask, strict=True) if kept),
        starts=decided_games.starts,
        outcomes=decided_games.outcomes,
        losses=scoring.log_losses(decided_games.model, decided_games.outcomes),
        learnt=np.repeat([block.learnt for block in blocks], [len(block.games) for block in blocks])[
            decided_games.mask
        ],
    )


class _DecidedGames:
    """The decided games of some blocks as one table."""

    def __init__(self, blocks: Sequence[Forecasts]) -> None:
        outcomes = np.concatenate([block.games.outcomes for block in blocks])
        self.mask: NDArray[np.bool_] = outcomes >= 0
        self.outcomes = outcomes[self.mask]
        self.starts = self.decided([block.games.starts for block in blocks])
        self.weeks = scoring.weeks(self.starts)
        self.model = self.decided([block.probabilities for block in blocks])
        self.yardsticks = {
            "base_rate": self.decided([block.base_rate for block in blocks]),
            "elo": self.decided([block.elo for block in blocks]),
            "opening": self.decided([block.games.opening for block in blocks]),
            "market": self.decided([block.games.closing for block in blocks]),
        }

    def decided(self, parts: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(np.concatenate(parts)[self.mask])

    def covered(self) -> dict[str, NDArray[np.bool_]]:
        """By yardstick the mask of games it has a forecast of; a yardstick without any is left out."""
        masks = {name: np.asarray(~np.isnan(forecasts).any(axis=1)) for name, forecasts in self.yardsticks.items()}
        return {name: mask for name, mask in masks.items() if mask.any()}

    def scores(self) -> tuple[ForecasterScore, ...]:
        everywhere = np.ones(len(self.outcomes), dtype=bool)
        scores = [self._score("model", self.model, everywhere)]
        for name, covered in self.covered().items():
            scores.append(self._score(name, self.yardsticks[name], covered))
            if name == "market" and not covered.all():
                scores.append(self._score("model_where_priced", self.model, covered))
        return tuple(scores)

    def _score(self, name: str, forecasts: FloatArray, chosen: NDArray[np.bool_]) -> ForecasterScore:
        probabilities, outcomes = forecasts[chosen], self.outcomes[chosen]
        losses = scoring.log_losses(probabilities, outcomes)
        difference = scoring.log_losses(self.model[chosen], outcomes) - losses
        ranked = (
            scoring.ranked_probability_scores(probabilities, outcomes)
            if probabilities.shape[1] == 3
            else np.array([np.nan])
        )
        return ForecasterScore(
            name=name,
            games=len(outcomes),
            log_loss=float(losses.mean()),
            brier=float(scoring.brier_scores(probabilities, outcomes).mean()),
            ranked_probability=float(ranked.mean()),
            accuracy=scoring.accuracy(probabilities, outcomes),
            calibration_error=scoring.calibration_error(probabilities, outcomes),
            difference=float(difference.mean()),
            difference_error=scoring.standard_error(difference, self.weeks[chosen]),
        )

    def comparisons(self) -> list[Comparison]:
        measures = {"log_loss": scoring.log_losses, "brier": scoring.brier_scores, "accuracy": scoring.hits}
        if self.model.shape[1] == 3:
            measures["ranked_probability"] = scoring.ranked_probability_scores
        comparisons = []
        for name, chosen in self.covered().items():
            outcomes, weeks = self.outcomes[chosen], self.weeks[chosen]
            model, other = self.model[chosen], self.yardsticks[name][chosen]
            for measure, by_game in measures.items():
                comparisons.append(
                    _comparison(measure, name, by_game(model, outcomes), by_game(other, outcomes), weeks)
                )
            own, others = (scoring.calibration_error(one, outcomes) for one in (model, other))
            error = scoring.calibration_difference_error(model, other, outcomes, weeks)
            comparisons.append(Comparison("calibration_error", name, len(outcomes), own, others, own - others, error))
        return comparisons


def _comparison(
    measure: str, yardstick: str, model: FloatArray, other: FloatArray, weeks: scoring.Indices
) -> Comparison:
    difference = model - other
    return Comparison(
        measure=measure,
        yardstick=yardstick,
        games=len(model),
        model=float(model.mean()),
        other=float(other.mean()),
        difference=float(difference.mean()),
        error=scoring.standard_error(difference, weeks),
    )


def _expectations(blocks: Sequence[Forecasts]) -> list[Comparison]:
    """Expected margin and total beside base rate, Elo and the opening and closing lines, level games included."""
    weeks = scoring.weeks(np.concatenate([block.games.starts for block in blocks]))
    comparisons = []
    for place, question in enumerate(("margin", "total")):
        truth, model = _truth_and_forecast(blocks, question)
        yardsticks: Mapping[str, FloatArray] = {
            **{name: np.concatenate([block.expected[name][place] for block in blocks]) for name in blocks[0].expected},
            "opening": np.concatenate([getattr(block.games, f"opening_{question}") for block in blocks]),
            "market": np.concatenate([getattr(block.games, f"closing_{question}") for block in blocks]),
        }
        for name, expected in yardsticks.items():
            present = ~np.isnan(expected)
            if present.any():
                errors = [np.abs(truth - forecast)[present] for forecast in (model, expected)]
                comparisons.append(_comparison(f"{question}_error", name, errors[0], errors[1], weeks[present]))
    return comparisons


def _truth_and_forecast(blocks: Sequence[Forecasts], question: str) -> tuple[FloatArray, FloatArray]:
    truth = np.concatenate([getattr(block.games, f"{question}s") for block in blocks])
    expected = [getattr(forecast, question) for block in blocks for forecast in block.forecasts]
    return truth, np.array(expected, dtype=np.float64)


def _mean_error(blocks: Sequence[Forecasts], question: str) -> float:
    truth, expected = _truth_and_forecast(blocks, question)
    return float(np.abs(truth - expected).mean())


def _season(block: Forecasts) -> SeasonScores:
    decided_games = _DecidedGames([block])
    return SeasonScores(
        name=block.block,
        games=len(block.games),
        scores=decided_games.scores() if len(decided_games.outcomes) else (),
        margin_error=_mean_error([block], "margin"),
        total_error=_mean_error([block], "total"),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value

"""Trying a recipe without touching the registry: walked forward, logged as a run, compared on the same games."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import Engine

from core import scoring
from core.betting.leagues import League
from core.errors import ResourceNotFoundError, ValidationError
from core.registry.held_out import HeldOut, pair
from core.registry.tracking.client import Tracking
from core.registry.tracking.runs import FinishedRun
from core.text.nearest import nearest
from feature_store.features.catalogue import CATALOGUE
from feature_store.features.sets import feature_set
from training.datasets.assembly import load_dataset
from training.evaluation.importance import importance_of
from training.fitting.recipe import RANGES, Recipe
from training.promotion.gate import FEWEST_GAMES
from training.runs.data_warnings import data_warnings
from training.runs.refused_runs import Attempt, log_refusals
from training.runs.run_record import HELD_OUT, run_of, subject_of
from training.runs.trained_model import TrainedModel, fit_and_evaluate
from training.runs.training_run import OnProgress, OnStage, TrainingRun

FIXED: Final = ("name", "variant", "features", "pooled_with")
"""Fields of a recipe that are not set by value: its identity, what follows from the data, and the features."""
PRICE_PREFIX: Final = "market_"


@dataclass(frozen=True)
class Change:
    """How an experiment's recipe differs from the one it starts from."""

    settings: Mapping[str, str]
    without: Sequence[str] = ()
    added: Sequence[str] = ()

    @property
    def words(self) -> str:
        """The change as text, ``leaves=15 without rest_gap`` for example; "unchanged" if there is none."""
        words = [f"{name}={value}" for name, value in self.settings.items()]
        words += [f"without {name}" for name in self.without]
        words += [f"with {name}" for name in self.added]
        return " ".join(words) or "unchanged"


def parse_settings(assignments: Iterable[str]) -> dict[str, str]:
    """Values by name from texts like ``leaves=15``. Raises ValidationError for any other text."""
    settings = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValidationError(f"--set: expected NAME=VALUE such as leaves=15, got {text!r}.", field="set")
        settings[name.strip()] = value.strip()
    return settings


def apply_change(recipe: Recipe, change: Change) -> Recipe:
    """The recipe with the change. Raises ValidationError naming the setting, feature or value that is not possible."""
    settings = {field.name: getattr(recipe, field.name) for field in fields(recipe) if field.name not in FIXED}
    values = {}
    for name, text in change.settings.items():
        if name not in settings:
            near = ", ".join(nearest(name, settings) or settings)
            raise ValidationError(f"--set: a recipe has no {name!r}. Nearest: {near}.", field="set")
        values[name] = _parse_value(name, text, settings[name])
    names = _features(recipe, change)
    for name, value in values.items():
        _check_value(name, value, names)
    anchor = tuple(name for name in values.get("anchor", recipe.anchor) if name in names)
    if not anchor:
        raise ValidationError("--without: no feature of the recipe's anchor is left.", field="without")
    return replace(recipe, **{**values, "anchor": anchor, "features": feature_set(recipe.features.name, names)})


def _parse_value(name: str, text: str, like: Any) -> Any:
    """The text as a value of the type of ``like``: names, or a number."""
    if isinstance(like, tuple):
        return tuple(part.strip() for part in text.split(","))
    try:
        return type(like)(text)
    except ValueError as error:
        msg = f"--set {name}: expected a value such as {like}, got {text!r}."
        raise ValidationError(msg, field="set") from error


def _check_value(name: str, value: Any, features: Sequence[str]) -> None:
    """Raise ValidationError for a number out of its range or a name that is no feature of the recipe."""
    if name in RANGES:
        least, most = RANGES[name]
        if not least <= value <= most:
            raise ValidationError(f"--set {name}: expected {least:,} to {most:,}, got {value}.", field="set")
        return
    for feature in value:
        if feature not in CATALOGUE:
            near = ", ".join(nearest(feature, CATALOGUE) or CATALOGUE)
            raise ValidationError(f"--set {name}: there is no feature {feature!r}. Nearest: {near}.", field="set")
        if feature not in features:
            msg = f"--set {name}: {feature} is none of the features that this recipe has in this sport."
            raise ValidationError(msg, hint=f"Add it with `--with {feature}`.", field="set")


def _features(recipe: Recipe, change: Change) -> list[str]:
    """Names of the changed recipe's features, in the catalogue's order."""
    for name in (*change.without, *change.added):
        if name not in CATALOGUE:
            near = ", ".join(nearest(name, CATALOGUE) or CATALOGUE)
            raise ValidationError(f"There is no feature {name!r}. Nearest: {near}.", field="features")
    missing = [name for name in change.without if name not in recipe.features.names]
    if missing:
        raise ValidationError(f"--without: {recipe.name} has no {missing[0]} to leave out.", field="without")
    prices = [name for name in change.added if name.startswith(PRICE_PREFIX)]
    if prices and recipe.variant != "prices":
        msg = f"--with: {prices[0]} is a price of the game itself, which {recipe.name} models never see."
        raise ValidationError(msg, hint="Start from --recipe prices.", field="with")
    kept = {*recipe.features.names, *change.added} - set(change.without)
    return [name for name in CATALOGUE if name in kept]


def experiments_of(league: League) -> str:
    """Name of the MLflow experiment that holds a league's experiments."""
    return f"{league.key}/experiments"


def experiment(
    engine: Engine,
    run: TrainingRun,
    change: Change,
    on_stage: OnStage = lambda _stage, _result: None,
    on_progress: OnProgress = lambda _what, _done, _all: None,
) -> tuple[str, TrainedModel]:
    """Walk the run's recipe forward with a change and log it; registers nothing. Returns the run's id and the model.

    Raises ServiceError when the league has too few games or the quality checks refuse them, after logging a failed run,
    and ExternalServiceError when MLflow is unavailable.
    """
    league, tracking_uri = run.league, run.store.tracking_uri
    recipe = apply_change(run.recipe.in_sport(league.sport), change)
    with log_refusals(tracking_uri, experiments_of(league), Attempt(league, recipe, run.known_by)) as attempt:
        dataset = load_dataset(engine, league, run.known_by, run.others)
        attempt.snapshot_sha256 = dataset.snapshot_sha256
        on_stage("data", f"{len(dataset):,} games, {len(recipe.features.names)} features, {change.words}")
        warnings = data_warnings(engine, dataset, run.known_by, run.accept)
        trained = replace(fit_and_evaluate(recipe, dataset, on_stage, on_progress), warnings=warnings)
    tracking = Tracking(tracking_uri)
    tracking.close_abandoned_runs(experiments_of(league), (), run.now)
    run_id = _log(tracking, trained, f"{league.key}-{run.recipe.name} {change.words}", run, change)
    on_stage("log", f"run {run_id[:8]} in {experiments_of(league)}")
    return run_id, trained


def _log(tracking: Tracking, trained: TrainedModel, name: str, run: TrainingRun, change: Change) -> str:
    """Log the experiment as a run of that name; returns its id."""
    with tempfile.TemporaryDirectory() as folder:
        record = run_of(
            subject_of(trained, name, run.known_by, None),
            trained.blocks,
            importance_of(trained.fitted, trained.tested_rows()),
            experiment=experiments_of(run.league),
            command="dbsbm experiment",
            folder=Path(folder),
            documents={"recipe.json": json.dumps(trained.recipe.parameters(), indent=1)},
            tags={"change": change.words},
        )
        return tracking.log_run(replace(record, name=name))


@dataclass(frozen=True)
class ComparedRun:
    """A run beside the reference run."""

    run: FinishedRun
    shared_games: int
    """Games that both forecast without having learnt from them."""
    log_loss: float
    """Of this run, on the shared games."""
    difference: float
    """This run's log loss minus the reference's on the shared games; below 0 it is better. NaN if none are shared."""
    error: float
    """Standard error of the difference, the games of a week as one cluster."""


def compare(
    tracking: Tracking, league: League, against: str | None = None, last: int = 20, variant: str | None = None
) -> list[ComparedRun]:
    """The league's newest experiments and trainings beside a reference run; of one variant, if it is named.

    ``against`` is the reference's id or its beginning. Without it, the reference is the best run of the newest run's
    variant, by the paired difference to that run on the games they share, 100 or more. Raises ResourceNotFoundError if
    there is no such run.
    """
    finished = tracking.runs([league.key, experiments_of(league)])
    runs = [run for run in finished if variant in (None, run.tags.get("variant"))][-last:]
    if not runs:
        raise ResourceNotFoundError(
            f"{league.key} has no runs yet.", hint=f"Make one with `dbsbm experiment --league {league.key}`."
        )
    losses = {run.run_id: HeldOut.from_json(tracking.document(run.run_id, HELD_OUT)) for run in runs}
    reference = _best(runs, losses) if against is None else _named(runs, against)
    return [_compare_run(run, losses[run.run_id], losses[reference.run_id]) for run in runs]


def _named(runs: Sequence[FinishedRun], against: str) -> FinishedRun:
    matching = [run for run in runs if run.run_id.startswith(against)]
    if len(matching) != 1:
        msg = f"{'No' if not matching else 'More than one'} run begins with {against!r}."
        raise ResourceNotFoundError(msg, nearest=tuple(run.run_id[:8] for run in runs[-3:]))
    return matching[0]


def _best(runs: Sequence[FinishedRun], losses: Mapping[str, HeldOut]) -> FinishedRun:
    """The best run of the newest one's variant, each compared with the newest on the games they share.

    Raw means are not comparable: a run evaluated on other seasons had easier or harder games.
    """
    newest = runs[-1]
    beside = [
        _compare_run(run, losses[run.run_id], losses[newest.run_id])
        for run in runs
        if run.tags.get("variant") == newest.tags.get("variant")
    ]
    comparable = [one for one in beside if one.shared_games >= FEWEST_GAMES]
    return min(comparable, key=lambda one: one.difference).run if comparable else newest


def _compare_run(run: FinishedRun, own: HeldOut, others: HeldOut) -> ComparedRun:
    pairs = pair(own, others)
    if not len(pairs):
        return ComparedRun(run, 0, float("nan"), float("nan"), float("nan"))
    difference = pairs.first - pairs.second
    error = scoring.standard_error(difference, scoring.weeks(pairs.starts))
    return ComparedRun(run, len(pairs), float(pairs.first.mean()), float(difference.mean()), error)

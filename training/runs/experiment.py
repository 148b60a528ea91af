"""Trying a recipe without touching the registry: the same walk-forward, logged as a run, compared on the same games."""

import json
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import Engine

from core import scoring
from core.betting.leagues import League
from core.errors import ResourceNotFoundError, ValidationError
from core.nearest import nearest
from core.registry.held_out import HeldOut, pair
from core.registry.tracking.client import Tracking
from core.registry.tracking.runs import Noted
from feature_store.features.catalogue import CATALOGUE
from feature_store.features.sets import feature_set
from training.datasets.assembly import load_dataset
from training.evaluation.importance import importance_of
from training.fitting.recipe import RANGES, Recipe
from training.promotion.gate import FEWEST_GAMES
from training.runs.refused_runs import Attempt, refusals_noted
from training.runs.run_record import HELD_OUT, run_of
from training.runs.train import Trained, doubts, fit, subject_of

FIXED: Final = ("name", "variant", "features", "pooled_with")
"""What makes a recipe the one it is, and what follows from the data; features are changed by name."""
PRICE_PREFIX: Final = "market_"


@dataclass(frozen=True)
class Change:
    """How an experiment's recipe differs from the one it starts from."""

    settings: Mapping[str, str]
    without: Sequence[str] = ()
    added: Sequence[str] = ()

    @property
    def words(self) -> str:
        """The change as a person would say it; "unchanged" if there is none."""
        said = [f"{name}={value}" for name, value in self.settings.items()]
        said += [f"without {name}" for name in self.without]
        said += [f"with {name}" for name in self.added]
        return " ".join(said) or "unchanged"


def parse_settings(assignments: Iterable[str]) -> dict[str, str]:
    """``leaves=15`` and the like, by name. Raises ValidationError for anything else."""
    settings = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValidationError(f"--set: expected NAME=VALUE such as leaves=15, got {text!r}.", field="set")
        settings[name.strip()] = value.strip()
    return settings


def changed(recipe: Recipe, change: Change) -> Recipe:
    """The recipe with the change made. Raises ValidationError naming what there is not or cannot be read."""
    known = {field.name: getattr(recipe, field.name) for field in fields(recipe) if field.name not in FIXED}
    values = {}
    for name, text in change.settings.items():
        if name not in known:
            near = ", ".join(nearest(name, known) or known)
            raise ValidationError(f"--set: a recipe has no {name!r}. Nearest: {near}.", field="set")
        values[name] = _read(name, text, known[name])
    names = _features(recipe, change)
    for name, value in values.items():
        _refuse_senseless(name, value, names)
    anchor = tuple(name for name in values.get("anchor", recipe.anchor) if name in names)
    if not anchor:
        raise ValidationError("--without: no feature of the recipe's anchor is left.", field="without")
    return replace(recipe, **{**values, "anchor": anchor, "features": feature_set(recipe.features.name, names)})


def _read(name: str, text: str, like: Any) -> Any:
    """The text as a value of the same type: names, or a number."""
    if isinstance(like, tuple):
        return tuple(part.strip() for part in text.split(","))
    try:
        return type(like)(text)
    except ValueError as error:
        msg = f"--set {name}: expected a value such as {like}, got {text!r}."
        raise ValidationError(msg, field="set") from error


def _refuse_senseless(name: str, value: Any, features: Sequence[str]) -> None:
    """Raises ValidationError for a number out of its range and for a name that is none of the recipe's features."""
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
            raise ValidationError(msg, hint=f"Add it with `--with {feature}`, if it may.", field="set")


def _features(recipe: Recipe, change: Change) -> list[str]:
    """Names in the catalogue's order."""
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
    """Name of the MLflow experiment that holds a league's trials."""
    return f"{league.key}/experiments"


def experiment(
    engine: Engine,
    league: League,
    recipe: Recipe,
    change: Change,
    *,
    tracking_uri: str,
    known_by: datetime,
    now: datetime,
    accept: Collection[str] = (),
    others: Iterable[League] = (),
    on_stage: Callable[[str, str], None] = lambda _stage, _result: None,
    on_working: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
) -> tuple[str, Trained]:
    """Walk a changed recipe forward and log it as a run; registers nothing. Returns the run's id and what was found.

    ``accept`` names refusals of the quality gate to let pass, as in a training. Raises ServiceError when the league has
    too few games or the quality gate refuses them, after noting it as a failed run, and ExternalServiceError when
    MLflow is away.
    """
    tried = changed(recipe.in_sport(league.sport), change)
    with refusals_noted(tracking_uri, experiments_of(league), Attempt(league, tried, known_by)) as attempt:
        dataset = load_dataset(engine, league, known_by, others)
        attempt.snapshot_sha256 = dataset.snapshot_sha256
        on_stage("data", f"{len(dataset):,} games, {len(tried.features.names)} features, {change.words}")
        warnings = doubts(engine, dataset, known_by, accept)
        trained = replace(fit(tried, dataset, on_stage, on_working), warnings=warnings)
    tracking = Tracking(tracking_uri)
    tracking.tidy(experiments_of(league), (), now)
    name = f"{league.key}-{recipe.name} {change.words}"
    with tempfile.TemporaryDirectory() as folder:
        run = run_of(
            subject_of(trained, name, known_by, None),
            trained.blocks,
            importance_of(trained.fitted, trained.tested_rows()),
            experiment=experiments_of(league),
            command="dbsbm experiment",
            folder=Path(folder),
            documents={"recipe.json": json.dumps(trained.recipe.parameters(), indent=1)},
            tags={"change": change.words},
        )
        run_id = tracking.note(replace(run, name=name))
    on_stage("log", f"run {run_id[:8]} in {experiments_of(league)}")
    return run_id, trained


@dataclass(frozen=True)
class Compared:
    """A run beside the one it is compared with."""

    run: Noted
    shared_games: int
    """Games both forecast without having learnt from them."""
    log_loss: float
    """Of this run, on the shared games."""
    difference: float
    """This run's log loss minus the other's on the shared games; below 0 it is better. NaN where none are shared."""
    error: float
    """Standard error of the difference, the games of a week as one cluster."""


def compare(
    tracking: Tracking, league: League, against: str | None = None, last: int = 20, variant: str | None = None
) -> list[Compared]:
    """The league's newest trials and trainings beside one of them; of one variant, if it is named.

    ``against`` is a run's id or its beginning. Without it, the reference is the best of the newest run's variant, by
    the paired difference to that run on the games they share, 100 or more. Raises ResourceNotFoundError where there is
    no such run.
    """
    found = tracking.runs([league.key, experiments_of(league)])
    runs = [run for run in found if variant in (None, run.tags.get("variant"))][-last:]
    if not runs:
        raise ResourceNotFoundError(
            f"{league.key} has no runs yet.", hint=f"Make one with `dbsbm experiment --league {league.key}`."
        )
    losses = {run.run_id: HeldOut.from_json(tracking.document(run.run_id, HELD_OUT)) for run in runs}
    reference = _best(runs, losses) if against is None else _named(runs, against)
    return [_compared(run, losses[run.run_id], losses[reference.run_id]) for run in runs]


def _named(runs: Sequence[Noted], against: str) -> Noted:
    found = [run for run in runs if run.run_id.startswith(against)]
    if len(found) != 1:
        msg = f"{'No' if not found else 'More than one'} run begins with {against!r}."
        raise ResourceNotFoundError(msg, nearest=tuple(run.run_id[:8] for run in runs[-3:]))
    return found[0]


def _best(runs: Sequence[Noted], losses: Mapping[str, HeldOut]) -> Noted:
    """Of the runs of the newest one's variant the one that is best beside it, each on the games they share.

    Raw means do not compare: a run that was proved on other seasons had easier or harder games.
    """
    newest = runs[-1]
    beside = [
        _compared(run, losses[run.run_id], losses[newest.run_id])
        for run in runs
        if run.tags.get("variant") == newest.tags.get("variant")
    ]
    comparable = [one for one in beside if one.shared_games >= FEWEST_GAMES]
    return min(comparable, key=lambda one: one.difference).run if comparable else newest


def _compared(run: Noted, own: HeldOut, others: HeldOut) -> Compared:
    pairs = pair(own, others)
    if not len(pairs):
        return Compared(run, 0, float("nan"), float("nan"), float("nan"))
    difference = pairs.first - pairs.second
    error = scoring.standard_error(difference, scoring.weeks(pairs.starts))
    return Compared(run, len(pairs), float(pairs.first.mean()), float(difference.mean()), error)

"""Challengers: one model of one league, or every model whose data changed."""

from collections.abc import Callable, Sequence
from datetime import datetime

from core.betting.leagues import load_leagues
from core.errors import DbsbmError, DependencyError, ExternalServiceError, ServiceError
from core.logs import get_logger
from core.registry.bundles.store import bundle_store
from core.registry.deployment import Version
from core.settings import Settings
from flows.jobs.databases import our_database
from flows.jobs.leagues import archived_leagues
from training.fitting.recipe import RECIPES

log = get_logger(__name__)


def train_model(
    settings: Settings,
    now: datetime,
    name: str,
    recipe: str,
    known_by: datetime | None = None,
    on_stage: Callable[[str, str], None] = lambda _stage, _result: None,
    accept: Sequence[str] = (),
    tune: int = 0,
    on_working: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
) -> Version:
    """Train one league by one recipe and register the result as challenger; ``tune`` trials seek its parameters."""
    from training.runs.train import train
    from training.runs.training_run import resolve_run

    leagues, store = load_leagues(settings.leagues_file), bundle_store(settings)
    with our_database(settings) as engine:
        run = resolve_run(leagues, store, name, recipe, now=now, known_by=known_by, accept=accept, tune=tune)
        return train(engine, run, on_stage=on_stage, on_progress=on_working)


def train_leagues(settings: Settings, now: datetime, names: Sequence[str] | None = None) -> dict[str, str]:
    """Train the leagues by every recipe. An error in one training does not stop the others.

    Returns, by model, its version or why it was refused (too little data, quality checks). Raises an error with the
    names of all after the last training, when one failed in another way or when every one was refused.
    """
    with our_database(settings) as engine:
        leagues = archived_leagues(engine, load_leagues(settings.leagues_file), names)
    trained: dict[str, str] = {}
    refused: dict[str, Exception] = {}
    failed: dict[str, Exception] = {}
    for league in leagues:
        for recipe in RECIPES:
            name = f"{league.key}-{recipe}"
            try:
                version = train_model(settings, now, league.key, recipe)
                trained[version.model] = f"version {version.version}"
            except ServiceError as error:
                refused[name] = error
            except Exception as error:
                # Whatever one league's error is, it must not stop the others.
                log.exception("a training failed", model=name)
                failed[name] = error
    if failed or (refused and not trained):
        raise _failure(refused | failed, len(trained))
    return trained | {name: _reason(error) for name, error in refused.items()}


def _failure(errors: dict[str, Exception], trained: int) -> DbsbmError:
    """One error that names every training that failed; of a dependency, where dependencies alone are the cause."""
    listed = "; ".join(f"{name}: {_reason(error).rstrip('.')}" for name, error in errors.items())
    msg = f"{len(errors)} of {len(errors) + trained} trainings failed: {listed}."
    kind = ExternalServiceError if all(isinstance(e, DependencyError) for e in errors.values()) else ServiceError
    return kind(msg, hint="See the log for the traceback of each unforeseen error.")


def _reason(error: Exception) -> str:
    """The message of an error of this project; of any other its class only, since its text may hold a secret."""
    return error.message if isinstance(error, DbsbmError) else type(error).__name__

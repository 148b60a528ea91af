"""Train a model of a league: evaluate it walking forward, fit it on every game, register it as challenger."""

from dataclasses import replace

from sqlalchemy.engine import Engine

from core.registry import deployment
from core.registry.deployment import Version, model_name
from training.datasets.assembly import Dataset, DatasetLoader, load_dataset
from training.fitting.recipe import Recipe
from training.runs.data_warnings import constant_features, data_warnings
from training.runs.refused_runs import Attempt, log_refusals
from training.runs.registration import reconcile_tracking, register
from training.runs.trained_model import TrainedModel, fit_and_evaluate
from training.runs.training_run import OnProgress, OnStage, TrainingRun


def train(
    engine: Engine,
    run: TrainingRun,
    on_stage: OnStage = lambda _stage, _result: None,
    on_progress: OnProgress = lambda _what, _done, _all: None,
    load: DatasetLoader = load_dataset,
) -> Version:
    """Train on what was known by the run's moment and register the model as challenger.

    A version made of the same data by the same recipe is returned as it is, unless its bundle is missing or not signed
    under today's key: then it is made again, equal to the last bit, and signed.

    Raises ServiceError when the league has too few games or the quality checks refuse them, after logging a failed run,
    and ExternalServiceError when MLflow is unavailable.
    """
    league, recipe, store = run.league, run.recipe, run.store
    with log_refusals(store.tracking_uri, league.key, Attempt(league, recipe, run.known_by)) as attempt:
        dataset = load(engine, league, run.known_by, run.others)
        attempt.snapshot_sha256, attempt.recipe = dataset.snapshot_sha256, recipe.of(dataset)
        earlier = find_trained_version(engine, recipe, dataset)
        if earlier is not None and store.holds(earlier):
            reconcile_tracking(engine, store.tracking_uri, earlier.model, league, run.now)
            same = f"{earlier.model} version {earlier.version} was made of the same data and recipe"
            on_stage("train", f"nothing new: {same}")
            return earlier
        trained = _check_and_fit(engine, run, dataset, on_stage, on_progress)
        version = register(engine, trained, store, known_by=run.known_by, now=run.now)
    again = earlier is not None and earlier.version == version.version
    outcome = "the same to the last byte, signed under today's key" if again else "challenger"
    on_stage("register", f"{version.model} version {version.version}, {outcome}")
    return version


def find_trained_version(engine: Engine, recipe: Recipe, dataset: Dataset) -> Version | None:
    """The newest version made of these data by this recipe; None if there is none."""
    recipe = recipe.of(dataset)
    fingerprint = recipe.features.fingerprint(dataset.league.sport)
    made_of = (dataset.snapshot_sha256, fingerprint, recipe.label)
    return next(
        (
            version
            for version in reversed(deployment.versions(engine, model_name(dataset.league.key, recipe.variant)))
            if (version.snapshot_sha256, version.features, version.recipe) == made_of
        ),
        None,
    )


def _check_and_fit(
    engine: Engine, run: TrainingRun, dataset: Dataset, on_stage: OnStage, on_progress: OnProgress
) -> TrainedModel:
    """Check the data, report its warnings and its features, and fit."""
    recipe = run.recipe.of(dataset)
    on_stage("data", f"{len(dataset):,} games, sha256 {dataset.snapshot_sha256[:12]}; {dataset.rests_on}")
    warnings = data_warnings(engine, dataset, run.known_by, run.accept)
    if warnings:
        on_stage("quality", f"{len(warnings)} warnings: {'; '.join(warnings)}")
    constant = constant_features(recipe, dataset)
    idle = f"; the same in every game: {', '.join(constant)}" if constant else ""
    fingerprint = recipe.features.fingerprint(dataset.league.sport)
    on_stage("features", f"{len(recipe.features.names)} features, {fingerprint[:12]}{idle}")
    return replace(fit_and_evaluate(recipe, dataset, on_stage, on_progress), warnings=warnings)

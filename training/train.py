"""Train a model of a league: evaluate it walking forward, fit it on everything, register it as challenger."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.registry import deployment
from core.registry.bundle import MANIFEST, Manifest, try_bundle, write_bundle
from core.registry.deployment import Version, model_name
from core.registry.tracking import Run, Tracking
from feature_store import snapshot_manifest
from feature_store.features import EVERYTHING
from feature_store.quality import Flag, admit, examine_facts, examine_features
from training.dataset import Dataset, load_dataset
from training.evaluation import Evaluation, evaluate
from training.fitting import Fitted, Proof, assemble, learn
from training.pictures import reliability_picture
from training.recipe import Recipe
from training.splits import proving_blocks
from training.walk import Forecasts, walk_forward

GOLDEN_ROWS = 5
LONGEST_TAG = 1_000
Stage = Callable[[str, str], None]


@dataclass(frozen=True, eq=False)
class Trained:
    """A fitted forecaster with the evidence for it, before it is registered."""

    recipe: Recipe
    dataset: Dataset
    fitted: Fitted
    evaluation: Evaluation
    blocks: list[Forecasts]
    warnings: tuple[str, ...] = ()
    """What the quality gate found doubtful about the data."""


def train(
    engine: Engine,
    league: League,
    recipe: Recipe,
    *,
    bundles: Path,
    tracking_uri: str,
    known_by: datetime,
    now: datetime,
    on_stage: Stage = lambda _stage, _result: None,
) -> Version:
    """Train on what was known by the moment and register the model; ``on_stage`` hears each stage's one result.

    Raises ServiceError when the league has too few games or the quality gate refuses them, ExternalServiceError
    when MLflow is away.
    """
    dataset = load_dataset(engine, league, known_by)
    known = already_trained(engine, recipe, dataset)
    if known is not None:
        on_stage("train", f"nothing new: {known.model} version {known.version} was made of the same data and recipe")
        return known
    on_stage("data", f"{len(dataset):,} games, sha256 {dataset.snapshot_sha256[:12]}")
    warnings = examined(dataset)
    if warnings:
        on_stage("quality", f"{len(warnings)} warnings: {'; '.join(map(str, warnings))}")
    on_stage("features", f"{len(recipe.features.names)} features, {recipe.features.fingerprint(league.sport)[:12]}")
    trained = replace(fit(recipe, dataset, on_stage), warnings=tuple(map(str, warnings)))
    version = register(engine, trained, bundles=bundles, tracking_uri=tracking_uri, known_by=known_by, now=now)
    on_stage("register", f"{version.model} version {version.version}, challenger")
    return version


def examined(dataset: Dataset) -> list[Flag]:
    """The quality gate's warnings about the data. Raises ServiceError when it refuses them."""
    facts = examine_facts(dataset.league, dataset.facts)
    return admit([*facts, *examine_features(dataset.league, EVERYTHING.names, dataset.seasons, dataset.values)])


def already_trained(engine: Engine, recipe: Recipe, dataset: Dataset) -> Version | None:
    """The version made of this very data by this very recipe, if there is one."""
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


def fit(recipe: Recipe, dataset: Dataset, on_stage: Stage = lambda _stage, _result: None) -> Trained:
    """Walk forward through the last seasons for the evidence, then fit on every game."""
    blocks, proofs = walk_forward(recipe, dataset, proving_blocks(dataset, recipe.proving_seasons))
    tested = _tested(blocks)
    evaluation = evaluate(tested)
    on_stage("train", f"log loss {evaluation.raw_log_loss:.4f} on {evaluation.scores[0].games:,} games it had not seen")
    fitted = _fit_on_everything(recipe, dataset, proofs)
    score = evaluation.scores[0]
    on_stage(
        "calibrate",
        f"log loss {score.log_loss:.4f}, calibration error {score.calibration_error:.3f}"
        f" (a perfect forecast would show {evaluation.calibration_floor:.3f})",
    )
    return Trained(recipe, dataset, fitted, evaluation, tested)


def _tested(blocks: list[Forecasts]) -> list[Forecasts]:
    """The blocks whose blend and calibration already rested on an earlier block's proof."""
    return blocks[1:] if len(blocks) > 1 else blocks


def _fit_on_everything(recipe: Recipe, dataset: Dataset, proofs: list[Proof]) -> Fitted:
    return assemble(recipe, dataset, learn(recipe, dataset), proofs)


def register(
    engine: Engine, trained: Trained, *, bundles: Path, tracking_uri: str, known_by: datetime, now: datetime
) -> Version:
    """Write the bundle, try it in a throw-away process, and enter it in MLflow and in our own tables.

    Our row is written last: a version that is not in it does not exist, so nothing can be half registered.
    """
    recipe, league = trained.recipe, trained.dataset.league
    rows = trained.dataset.columns(recipe.features)
    identity, folder = write_bundle(
        bundles,
        trained.fitted.spec,
        trained.fitted.trees,
        rows[-GOLDEN_ROWS:],
        model=model_name(league.key, recipe.variant),
        sport=league.sport,
        league=league.key,
        variant=recipe.variant,
        recipe=recipe.label,
        fingerprint=recipe.features.fingerprint(league.sport),
        snapshot_sha256=trained.dataset.snapshot_sha256,
        trained_until=known_by,
        games=len(trained.dataset),
    )
    try_bundle(folder, identity)
    snapshot = snapshot_manifest.manifest_of(trained.dataset.facts)
    snapshot_manifest.keep(engine, league, snapshot, known_by=known_by, recorded_at=now)
    manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    example = dict(zip(recipe.features.names, np.nan_to_num(rows[-1]).tolist(), strict=True))
    with tempfile.TemporaryDirectory() as pictures:
        picture = reliability_picture(trained.blocks, manifest.model, Path(pictures) / "reliability.png")
        run = _run(trained, manifest, identity, [picture], {"snapshot.json": snapshot.to_json()})
        version = Tracking(tracking_uri).record(run, folder, manifest, example, now)
    deployment.register(engine, version, now)
    return version


def _run(trained: Trained, manifest: Manifest, identity: str, pictures: list[Path], documents: dict[str, str]) -> Run:
    return Run(
        experiment=manifest.league,
        name=f"{manifest.model} until {manifest.trained_until:%Y-%m-%d}",
        parameters=trained.recipe.parameters(),
        metrics=trained.evaluation.metrics(),
        tags={
            "league": manifest.league,
            "sport": manifest.sport,
            "recipe": manifest.recipe,
            "bundle_sha256": identity,
            "features": manifest.fingerprint,
            "snapshot_sha256": manifest.snapshot_sha256,
            "trained_until": manifest.trained_until.isoformat(),
            "games": str(manifest.games),
            "quality_warnings": str(len(trained.warnings)),
            "quality": "; ".join(trained.warnings)[:LONGEST_TAG] or "nothing to flag",
        },
        pictures=pictures,
        documents=documents,
        scores=trained.evaluation.to_json(),
    )

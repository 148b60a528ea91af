"""Train a model of a league: evaluate it walking forward, fit it on everything, register it as challenger."""

import json
import math
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from sqlalchemy.engine import Engine

from core.arrays import FloatArray
from core.betting.leagues import League
from core.registry import deployment
from core.registry.bundles.contents import Manifest, write_bundle
from core.registry.bundles.files import MANIFEST, SIGNATURE, growing, settled
from core.registry.bundles.store import Shelf
from core.registry.bundles.trial import try_bundle
from core.registry.deployment import Version, model_name
from core.registry.tracking.client import Tracking
from core.signing import Signer
from feature_store.archive import manifest as snapshot_manifest
from feature_store.features.sets import EVERYTHING
from feature_store.identity.duplicate_games import find_duplicates, flag_duplicates
from feature_store.quality.checks import Flag, admit, examine_facts, examine_features
from training.datasets.assembly import Dataset, load_dataset
from training.datasets.splits import proving_blocks
from training.evaluation.importance import importance_of
from training.evaluation.market_weight import believing
from training.evaluation.scores import Evaluation, evaluate, held_out
from training.evaluation.walk_forward import Forecasts, walk_forward
from training.fitting.fit import Fitted, Proof, assemble, learn
from training.fitting.recipe import Recipe
from training.fitting.tuning import tuned
from training.promotion.bundle_checks import golden_rows
from training.runs.model_card import Subject
from training.runs.provenance import code_version
from training.runs.refused_runs import Attempt, refusals_noted
from training.runs.run_record import run_of
from training.runs.warnings import constants, overlaps, quarantined

Stage = Callable[[str, str], None]
Working = Callable[[str, int, int], None]
"""Hears what is being done now, how many steps of it are done, and how many there are."""


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

    def tested_rows(self) -> FloatArray:
        """The feature rows of the games held out, shape (games, features)."""
        return np.concatenate([block.games.columns(self.recipe.features) for block in self.blocks])


def train(
    engine: Engine,
    league: League,
    recipe: Recipe,
    *,
    bundles: Path,
    signer: Signer,
    tracking_uri: str,
    known_by: datetime,
    now: datetime,
    accept: Collection[str] = (),
    others: Iterable[League] = (),
    on_stage: Stage = lambda _stage, _result: None,
    on_working: Working = lambda _what, _done, _all: None,
) -> Version:
    """Train on what was known by the moment and register the model; ``on_stage`` hears each stage's one result.

    What was made of the same data by the same recipe is not made again, unless its bundle cannot be had under today's
    key: then it is made again to the last bit, and signed.

    ``accept`` names refusals of the quality gate that somebody takes responsibility for; the run's tags repeat them.
    ``others`` are leagues from whose games one with few of its own may learn, where sport and outcomes are the same.

    Raises ServiceError when the league has too few games or the quality gate refuses them, after noting it as a failed
    run, and ExternalServiceError when MLflow is away.
    """
    with refusals_noted(tracking_uri, league.key, Attempt(league, recipe, known_by)) as attempt:
        dataset = load_dataset(engine, league, known_by, others)
        attempt.snapshot_sha256, attempt.recipe = dataset.snapshot_sha256, recipe.of(dataset)
        known = already_trained(engine, recipe, dataset)
        if known is not None and Shelf(bundles, tracking_uri, signer).holds(known):
            reconciled(engine, tracking_uri, known.model, league, now)
            same = f"{known.model} version {known.version} was made of the same data and recipe"
            on_stage("train", f"nothing new: {same}")
            return known
        trained = _trained(engine, attempt.recipe, dataset, known_by, accept, on_stage, on_working)
        version = register(
            engine, trained, bundles=bundles, signer=signer, tracking_uri=tracking_uri, known_by=known_by, now=now
        )
    again = known is not None and known.version == version.version
    become = "the same to the last byte, signed under today's key" if again else "challenger"
    on_stage("register", f"{version.model} version {version.version}, {become}")
    return version


def _trained(
    engine: Engine,
    recipe: Recipe,
    dataset: Dataset,
    known_by: datetime,
    accept: Collection[str],
    on_stage: Stage,
    on_working: Working,
) -> Trained:
    """Look at the data, say what is doubtful about them, and fit."""
    on_stage("data", f"{len(dataset):,} games, sha256 {dataset.snapshot_sha256[:12]}; {dataset.rests_on}")
    warnings = doubts(engine, dataset, known_by, accept)
    if warnings:
        on_stage("quality", f"{len(warnings)} warnings: {'; '.join(warnings)}")
    idle = f"; the same in every game: {', '.join(constants(recipe, dataset))}" if constants(recipe, dataset) else ""
    fingerprint = recipe.features.fingerprint(dataset.league.sport)
    on_stage("features", f"{len(recipe.features.names)} features, {fingerprint[:12]}{idle}")
    return replace(fit(recipe, dataset, on_stage, on_working), warnings=warnings)


def examined(engine: Engine, dataset: Dataset, known_by: datetime, accept: Collection[str] = ()) -> list[Flag]:
    """The quality gate's warnings about the data, the lenders' too. Raises ServiceError for more than ``accept``."""
    parts = (dataset, *dataset.lenders)
    twice = [
        flag
        for part in parts
        for flag in flag_duplicates(part.league, find_duplicates(engine, part.league, known_by), set(part.game_ids))
    ]
    facts = [flag for part in parts for flag in examine_facts(part.league, part.facts)]
    features = [
        flag for part in parts for flag in examine_features(part.league, EVERYTHING.names, part.seasons, part.values)
    ]
    return admit([*twice, *facts, *features], accept)


def doubts(engine: Engine, dataset: Dataset, known_by: datetime, accept: Collection[str] = ()) -> tuple[str, ...]:
    """All that is doubtful about the data, in words. Raises ServiceError when the quality gate refuses them."""
    flags = map(str, examined(engine, dataset, known_by, accept))
    return (*flags, *overlaps(dataset), *quarantined(engine, dataset.league))


def already_trained(engine: Engine, recipe: Recipe, dataset: Dataset) -> Version | None:
    """The version made of this very data by this very recipe, if there is one."""
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


def fit(
    recipe: Recipe,
    dataset: Dataset,
    on_stage: Stage = lambda _stage, _result: None,
    on_working: Working = lambda _what, _done, _all: None,
) -> Trained:
    """Walk forward through the last seasons for the evidence, then fit on every game."""
    recipe = recipe.of(dataset)
    proving = proving_blocks(dataset, recipe.proving_seasons)
    if recipe.tune:
        chosen = tuned(recipe, dataset, proving, lambda done, trials: on_working("seeking parameters", done, trials))
        recipe = chosen.recipe
        on_stage("tune", chosen.story)
    steps = len(proving) + 1
    blocks, proofs = walk_forward(
        recipe, dataset, proving, on_block=lambda name, done, _: on_working(f"forecasting {name}", done, steps)
    )
    tested = _tested(blocks)
    evaluation = evaluate(tested)
    on_stage("train", f"log loss {evaluation.raw_log_loss:.4f} on {evaluation.scores[0].games:,} games it had not seen")
    on_working("learning from every game", len(proving), steps)
    fitted = believing(fit_on_everything(recipe, dataset, proofs), dataset, blocks)
    score = evaluation.scores[0]
    on_stage(
        "calibrate",
        f"log loss {score.log_loss:.4f}, calibration error {score.calibration_error:.3f}"
        f" (a perfect forecast would show {evaluation.calibration_floor:.3f})"
        f"; {fitted.spec.belief or 'too few priced games for a belief'}",
    )
    return Trained(recipe, dataset, fitted, evaluation, tested)


def _tested(blocks: list[Forecasts]) -> list[Forecasts]:
    """The blocks whose blend and calibration already rested on an earlier block's proof."""
    return blocks[1:] if len(blocks) > 1 else blocks


def fit_on_everything(recipe: Recipe, dataset: Dataset, proofs: list[Proof]) -> Fitted:
    """The forecaster of every game; its blend and calibration rest on what earlier ones proved."""
    basis, lessons = dataset.lessons(math.inf)
    return assemble(recipe, lessons, learn(recipe, lessons, basis), proofs, basis)


def register(
    engine: Engine,
    trained: Trained,
    *,
    bundles: Path,
    signer: Signer,
    tracking_uri: str,
    known_by: datetime,
    now: datetime,
) -> Version:
    """Write the bundle, try it in a throw-away process, and enter it in MLflow and in our own tables.

    Our row is written in one transaction, after everything it names is there: a version without it does not exist, so
    nothing can be half registered. What a killed training left in MLflow is closed by the next one. A bundle that is
    registered already, to the last byte, only gets today's signature, MLflow's copy first.
    """
    recipe, league = trained.recipe, trained.dataset.league
    with growing(bundles) as scratch:
        identity, made = _bundle(trained, scratch, signer)
        try_bundle(made, identity, signer)
        model = model_name(league.key, recipe.variant)
        twin = next((v for v in deployment.versions(engine, model) if v.bundle_sha256 == identity), None)
        if twin is not None:
            tracking = reconciled(engine, tracking_uri, twin.model, league, now)
            tracking.sign_bundle(twin, (made / SIGNATURE).read_text())
        folder = settled(made, bundles)
    if twin is not None:
        return twin
    rows = trained.dataset.columns(recipe.features)
    snapshot = snapshot_manifest.manifest_of(trained.dataset.facts)
    snapshot_manifest.store_manifest(engine, league, snapshot, known_by=known_by, recorded_at=now)
    manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    example = dict(zip(recipe.features.names, np.nan_to_num(rows[-1]).tolist(), strict=True))
    tracking = reconciled(engine, tracking_uri, manifest.model, league, now)
    with tempfile.TemporaryDirectory() as pictures:
        run = run_of(
            subject_of(trained, manifest.model, known_by, identity),
            trained.blocks,
            importance_of(trained.fitted, trained.tested_rows()),
            experiment=league.key,
            command=f"dbsbm train --league {league.key} --recipe {recipe.name}",
            folder=Path(pictures),
            documents={"snapshot.json": snapshot.to_json(), "recipe.json": json.dumps(recipe.parameters(), indent=1)},
            tags={"bundle_sha256": identity},
        )
        scores = trained.evaluation.to_json() | {
            "basis": trained.dataset.basis,
            "rests_on": trained.dataset.rests_on,
            "learnt_until": trained.dataset.learnt_until.isoformat(),
        }
        with tracking.recording(run, folder, manifest, example, scores=scores, now=now) as version:
            deployment.register(engine, version, now, held_out(trained.blocks))
    tracking.mirror(deployment.deployment(engine, version.model))
    return version


def _bundle(trained: Trained, store: Path, signer: Signer) -> tuple[str, Path]:
    """The bundle's identity and folder; it depends on data and recipe alone, not on when or where it is made."""
    recipe, dataset = trained.recipe, trained.dataset
    return write_bundle(
        store,
        signer,
        trained.fitted.spec,
        trained.fitted.trees,
        golden_rows(dataset, recipe.features),
        model=model_name(dataset.league.key, recipe.variant),
        sport=dataset.league.sport,
        league=dataset.league.key,
        variant=recipe.variant,
        recipe=recipe.label,
        fingerprint=recipe.features.fingerprint(dataset.league.sport),
        snapshot_sha256=dataset.snapshot_sha256,
        trained_until=dataset.known_until,
        games=len(dataset),
    )


def reconciled(engine: Engine, tracking_uri: str, model: str, league: League, now: datetime) -> Tracking:
    """MLflow brought in line with our tables: what a killed training left there is closed, the aliases are ours."""
    tracking = Tracking(tracking_uri)
    versions = [version for version in deployment.versions(engine) if version.league == league.key]
    tracking.tidy(league.key, {version.run_id for version in versions}, now)
    if any(version.model == model for version in versions):
        tracking.mirror(deployment.deployment(engine, model))
    return tracking


def subject_of(trained: Trained, name: str, known_by: datetime, bundle_sha256: str | None) -> Subject:
    """What the card and the run say the model is."""
    return Subject(
        name=name,
        recipe=trained.recipe,
        dataset=trained.dataset,
        evaluation=trained.evaluation,
        known_by=known_by,
        fingerprint=trained.recipe.features.fingerprint(trained.dataset.league.sport),
        code_version=code_version(),
        bundle_sha256=bundle_sha256,
        warnings=trained.warnings,
    )

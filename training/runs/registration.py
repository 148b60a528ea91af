"""Registering a trained model: its bundle, its run in MLflow, and the version in our own tables."""

import json
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.registry import deployment
from core.registry.bundles.contents import write_bundle
from core.registry.bundles.files import MANIFEST, SIGNATURE, move_bundle, scratch_folder
from core.registry.bundles.store import BundleStore
from core.registry.bundles.trial import try_bundle
from core.registry.deployment import Version, model_name
from core.registry.manifest import BundleManifest
from core.registry.pyfunc import trusting
from core.registry.tracking.client import Tracking
from core.signing import Signer
from feature_store.archive.manifests import contents as data_manifests
from training.evaluation.importance import importance_of
from training.evaluation.scores import held_out
from training.promotion.bundle_checks import golden_rows
from training.runs.run_record import run_of, subject_of
from training.runs.trained_model import TrainedModel


def register(
    engine: Engine, trained: TrainedModel, store: BundleStore, *, known_by: datetime, now: datetime
) -> Version:
    """Register the model as challenger: write its bundle, try it, move it into the store, record the version.

    The row in our tables is written last, in one transaction, and a version without it does not exist: nothing can be
    half registered. What a killed training left in MLflow is closed by the next one. If the same bundle is registered
    already, only its signature is renewed, first in MLflow and then in the store.
    """
    with scratch_folder(store.folder) as scratch:
        identity, made = _write_bundle(trained, scratch, store.signer)
        try_bundle(made, identity, store.signer)
        registered = _version_with_bundle(engine, trained, identity)
        if registered is not None:
            tracking = reconcile_tracking(engine, store.tracking_uri, registered.model, trained.dataset.league, now)
            tracking.replace_signature(registered, made / SIGNATURE)
        folder = move_bundle(made, store.folder)
    return registered or _record_version(engine, trained, store, folder, known_by, now)


def reconcile_tracking(engine: Engine, tracking_uri: str, model: str, league: League, now: datetime) -> Tracking:
    """Bring MLflow in line with our tables: runs of killed trainings are closed, aliases follow the record."""
    tracking = Tracking(tracking_uri)
    versions = [version for version in deployment.versions(engine) if version.league == league.key]
    tracking.close_abandoned_runs(league.key, {version.run_id for version in versions}, now)
    if any(version.model == model for version in versions):
        tracking.mirror(deployment.deployment(engine, model))
    return tracking


def _write_bundle(trained: TrainedModel, folder: Path, signer: Signer) -> tuple[str, Path]:
    """The bundle's identity and folder; it depends on data and recipe alone, not on when or where it is made."""
    recipe, dataset = trained.recipe, trained.dataset
    return write_bundle(
        folder,
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


def _version_with_bundle(engine: Engine, trained: TrainedModel, identity: str) -> Version | None:
    model = model_name(trained.dataset.league.key, trained.recipe.variant)
    return next((version for version in deployment.versions(engine, model) if version.bundle_sha256 == identity), None)


def _record_version(
    engine: Engine, trained: TrainedModel, store: BundleStore, folder: Path, known_by: datetime, now: datetime
) -> Version:
    """Keep the data manifest, log the run with the bundle, and enter the version in our tables."""
    recipe, league = trained.recipe, trained.dataset.league
    data_manifest = data_manifests.manifest_of(trained.dataset.facts)
    data_manifests.store_manifest(engine, league, data_manifest, known_by=known_by, recorded_at=now)
    manifest = BundleManifest.model_validate_json((folder / MANIFEST).read_bytes())
    tracking = reconcile_tracking(engine, store.tracking_uri, manifest.model, league, now)
    with tempfile.TemporaryDirectory() as pictures:
        run = run_of(
            subject_of(trained, manifest.model, known_by, folder.name),
            trained.blocks,
            importance_of(trained.fitted, trained.tested_rows()),
            experiment=league.key,
            command=f"dbsbm train --league {league.key} --recipe {recipe.name}",
            folder=Path(pictures),
            documents={
                "snapshot.json": data_manifest.to_json(),
                "recipe.json": json.dumps(recipe.parameters(), indent=1),
            },
            tags={"bundle_sha256": folder.name},
        )
        example, scores = _example(trained), _scores(trained)
        with (
            trusting(store.signer),
            tracking.registering(run, folder, manifest, example, scores=scores, now=now) as version,
        ):
            deployment.register(engine, version, now, held_out(trained.blocks))
    tracking.mirror(deployment.deployment(engine, version.model))
    return version


def _example(trained: TrainedModel) -> dict[str, float]:
    """The newest game's feature row by name, as MLflow's input example; 0 where a value is missing."""
    newest = trained.dataset.columns(trained.recipe.features)[-1]
    return dict(zip(trained.recipe.features.names, np.nan_to_num(newest).tolist(), strict=True))


def _scores(trained: TrainedModel) -> Mapping[str, Any]:
    return trained.evaluation.to_json() | {
        "basis": trained.dataset.basis,
        "rests_on": trained.dataset.rests_on,
        "learnt_until": trained.dataset.learnt_until.isoformat(),
    }

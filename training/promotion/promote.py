"""Promotion and rollback: the gate judges, the deployment record changes, MLflow's aliases follow.

The rule itself is in ``gate``.
"""

from dataclasses import replace
from datetime import datetime

import numpy as np
from sqlalchemy.engine import Engine

from core import scoring
from core.betting.leagues import Leagues
from core.errors import (
    ConflictError,
    DataIntegrityError,
    DbsbmError,
    ExternalServiceError,
    SecurityError,
    ServiceError,
    ValidationError,
)
from core.registry import deployment, held_out
from core.registry.bundles.contents import Bundle
from core.registry.bundles.store import BundleStore
from core.registry.deployment import Deployment, Version
from core.registry.held_out import UNFAIR, HeldOut
from core.registry.tracking.client import Tracking
from feature_store.features.sets import FeatureSet, demanded_by
from training.datasets.assembly import Dataset, load_dataset
from training.promotion.bundle_checks import check_bundle
from training.promotion.gate import Check, Contender, Verdict, judge


def promote(
    engine: Engine, leagues: Leagues, store: BundleStore, model: str, number: int | None, now: datetime
) -> tuple[Verdict, Deployment, str | None]:
    """Judge the challenger (or the version named) and make it champion if it passes.

    Returns the verdict, the deployment record, and why MLflow's aliases do not follow the record yet (None if they do).
    Raises ConflictError if the record changes meanwhile or the version is champion already, ValidationError if there is
    nothing to promote.
    """
    seen = deployment.deployment(engine, model)
    wanted = number if number is not None else seen.challenger
    if wanted is None:
        raise ValidationError(f"{model} has no challenger.", hint="Train one with `dbsbm train`.", field="model")
    if wanted == seen.champion:
        mirror_aliases(store.tracking_uri, seen)
        raise ConflictError(f"{model} version {wanted} is the champion already.")
    challenger = deployment.version(engine, model, wanted)
    champion = None if seen.champion is None else deployment.version(engine, model, seen.champion)
    verdict = judge_version(engine, leagues, store, challenger, champion)
    if not verdict.passed:
        return verdict, seen, None
    changed = deployment.install_champion(engine, seen, wanted, now)
    return verdict, changed, mirror_aliases(store.tracking_uri, changed)


def roll_back(engine: Engine, tracking_uri: str, model: str, now: datetime) -> tuple[Deployment, str | None]:
    """Make the model's previous champion champion again.

    Returns the deployment record and why MLflow's aliases do not follow it yet (None if they do). Raises ConflictError
    if there is no previous champion, as after a rollback.
    """
    changed = deployment.roll_back(engine, model, now)
    return changed, mirror_aliases(tracking_uri, changed)


def mirror_aliases(tracking_uri: str, record: Deployment) -> str | None:
    """Set MLflow's aliases to what the record says; returns why that failed, or None.

    The record has changed already: an unavailable MLflow must not make the change look failed. The aliases follow with
    the next training, promotion or rollback.
    """
    try:
        Tracking(tracking_uri).mirror(record)
    except DbsbmError as failure:
        return failure.message
    return None


def judge_version(
    engine: Engine, leagues: Leagues, store: BundleStore, challenger: Version, champion: Version | None
) -> Verdict:
    """The gate's verdict on a version beside the champion, by its bundle, losses and data; changes nothing."""
    losses = held_out.held_out(engine, challenger.model, challenger.version)
    if losses is None:
        missing = Check("enough games", passed=False, numbers="its held-out losses are missing; train it again")
        return Verdict(challenger.model, challenger.version, (missing,))
    bundle = store.open_version(challenger)
    try:
        features = _features(bundle)
    except DataIntegrityError as error:
        return Verdict(
            challenger.model, challenger.version, (Check("same features", passed=False, numbers=error.message),)
        )
    dataset = load_dataset(engine, leagues.get(challenger.league), challenger.trained_until)
    opponent = None if champion is None else _opponent(engine, store, champion, dataset, losses)
    return judge(Contender(challenger, losses), opponent, check_bundle(bundle, features, dataset))


def _opponent(
    engine: Engine, store: BundleStore, champion: Version, dataset: Dataset, challengers: HeldOut
) -> Contender:
    """The champion with its losses: those it was registered with, and those of its bundle on games after its training.

    Only the former if its bundle is unavailable, after a change of the signing key for example, or unusable because
    this code computes other features.
    """
    registered = held_out.held_out(engine, champion.model, champion.version)
    try:
        bundle = store.open_version(champion)
    except (SecurityError, ServiceError, ExternalServiceError) as error:
        note = f"its bundle is unavailable, so only the losses it was registered with count: {error.message}"
        return Contender(champion, registered or held_out.NO_LOSSES, note)
    try:
        features = _features(bundle)
    except DataIntegrityError:
        return Contender(champion, registered or held_out.NO_LOSSES, usable=False)
    since = _since_training(bundle, features, dataset, challengers)
    return Contender(champion, since if registered is None else _joined(registered, since))


def _features(bundle: Bundle) -> FeatureSet:
    manifest = bundle.manifest
    return demanded_by(manifest.features, manifest.fingerprint, manifest.sport)


def _since_training(bundle: Bundle, features: FeatureSet, dataset: Dataset, challengers: HeldOut) -> HeldOut:
    """The losses of the champion's bundle on decided games after its training, where that is fair to the challenger.

    A game is fair if the challenger's forecaster of it had learnt from about as many games as the bundle, or from more:
    a challenger is expected to have learnt later, so both then count as having learnt from as many.
    """
    trained_until = bundle.manifest.trained_until.timestamp()
    learnt = dict(zip(challengers.game_ids, challengers.learnt.tolist(), strict=True))
    by_challenger = np.array([learnt.get(game_id, 0) for game_id in dataset.game_ids], dtype=np.int64)
    fair = by_challenger >= (1 - UNFAIR) * bundle.manifest.games
    chosen = fair & (dataset.starts > trained_until) & (dataset.outcomes >= 0)
    games = dataset.select(chosen)
    losses = np.zeros(0)
    if len(games):
        losses = scoring.log_losses(bundle.forecaster.probabilities(games.columns(features)), games.outcomes)
    return HeldOut(games.game_ids, games.starts, games.outcomes, losses, by_challenger[chosen])


def _joined(registered: HeldOut, since: HeldOut) -> HeldOut:
    """Both together; of a game in both, such as one moved to a later day, the registered loss."""
    present = set(registered.game_ids)
    new = np.array([game_id not in present for game_id in since.game_ids], dtype=bool)
    arrays = {
        name: np.concatenate((getattr(registered, name), getattr(since, name)[new]))
        for name in ("starts", "outcomes", "losses", "learnt")
    }
    fresh = (game_id for game_id, kept in zip(since.game_ids, new, strict=True) if kept)
    return replace(registered, game_ids=(*registered.game_ids, *fresh), **arrays)

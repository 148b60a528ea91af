"""Promotion and the way back: the gate is asked, the deployment record changed, MLflow's aliases follow.

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
from core.registry.bundles.store import Shelf
from core.registry.deployment import Deployment, Version
from core.registry.held_out import UNFAIR, HeldOut
from core.registry.tracking.client import Tracking
from feature_store.features.sets import FeatureSet, demanded_by
from training.datasets.assembly import Dataset, load_dataset
from training.promotion.bundle_checks import examine
from training.promotion.gate import Check, Contender, Verdict, judge


def promote(
    engine: Engine, leagues: Leagues, shelf: Shelf, model: str, number: int | None, now: datetime
) -> tuple[Verdict, Deployment, str | None]:
    """Judge the challenger (or the version named) and make it champion if it passes.

    The deployment record decides. The last of the answer is why MLflow's aliases do not follow it yet, None if they do.
    Raises ConflictError when the record changes meanwhile, ValidationError when there is nothing to promote.
    """
    seen = deployment.deployment(engine, model)
    wanted = number if number is not None else seen.challenger
    if wanted is None:
        raise ValidationError(f"{model} has no challenger.", hint="Train one with `dbsbm train`.", field="model")
    if wanted == seen.champion:
        mirrored(shelf.tracking_uri, seen)
        raise ConflictError(f"{model} version {wanted} is the champion already.")
    challenger = deployment.version(engine, model, wanted)
    champion = None if seen.champion is None else deployment.version(engine, model, seen.champion)
    verdict = examined(engine, leagues, shelf, challenger, champion)
    if not verdict.passed:
        return verdict, seen, None
    changed = deployment.install_champion(engine, seen, wanted, now)
    return verdict, changed, mirrored(shelf.tracking_uri, changed)


def roll_back(engine: Engine, tracking_uri: str, model: str, now: datetime) -> tuple[Deployment, str | None]:
    """Give the model its previous champion back; and why MLflow's aliases do not follow yet, None if they do.

    Raises ConflictError when there is none, as after a rollback.
    """
    changed = deployment.roll_back(engine, model, now)
    return changed, mirrored(tracking_uri, changed)


def mirrored(tracking_uri: str, record: Deployment) -> str | None:
    """Bring MLflow's aliases in line with the record, or say why that must wait for the next training or change.

    The record has changed already: an MLflow that is away must not make it look as if nothing had happened.
    """
    try:
        Tracking(tracking_uri).mirror(record)
    except DbsbmError as away:
        return away.message
    return None


def examined(engine: Engine, leagues: Leagues, shelf: Shelf, challenger: Version, champion: Version | None) -> Verdict:
    """The gate's verdict on a version beside the champion, with all it takes to reach it; changes nothing."""
    losses = held_out.held_out(engine, challenger.model, challenger.version)
    if losses is None:
        missing = Check("enough games", passed=False, numbers="its held-out losses were not kept; train it again")
        return Verdict(challenger.model, challenger.version, (missing,))
    bundle = shelf.take(challenger)
    try:
        features = _features(bundle)
    except DataIntegrityError as error:
        return Verdict(
            challenger.model, challenger.version, (Check("same features", passed=False, numbers=error.message),)
        )
    dataset = load_dataset(engine, leagues.get(challenger.league), challenger.trained_until)
    opponent = None if champion is None else _opponent(engine, shelf, champion, dataset, losses)
    return judge(Contender(challenger, losses), opponent, examine(bundle, features, dataset))


def _opponent(engine: Engine, shelf: Shelf, champion: Version, dataset: Dataset, challengers: HeldOut) -> Contender:
    """The champion with its losses: those it was registered with, and those of its bundle on games after its training.

    Where its bundle cannot be had, after a change of the key for example, or cannot answer because this code computes
    other features than it needs, the former alone.
    """
    registered = held_out.held_out(engine, champion.model, champion.version)
    try:
        bundle = shelf.take(champion)
    except (SecurityError, ServiceError, ExternalServiceError) as error:
        note = f"its bundle cannot be had, so only the losses it was registered with count: {error.message}"
        return Contender(champion, registered or held_out.NOTHING, note)
    try:
        features = _features(bundle)
    except DataIntegrityError:
        return Contender(champion, registered or held_out.NOTHING, answers=False)
    since = _since_training(bundle, features, dataset, challengers)
    return Contender(champion, since if registered is None else _joined(registered, since))


def _features(bundle: Bundle) -> FeatureSet:
    manifest = bundle.manifest
    return demanded_by(manifest.features, manifest.fingerprint, manifest.sport)


def _since_training(bundle: Bundle, features: FeatureSet, dataset: Dataset, challengers: HeldOut) -> HeldOut:
    """What the champion's bundle loses on decided games after all it knew, where that is fair to the challenger.

    Fair is a game whose forecaster on the challenger's side had learnt from about as many games as the bundle, or
    from more: to have learnt later is what a challenger is for, so both then count as having learnt from as many.
    """
    known_after = bundle.manifest.trained_until.timestamp()
    learnt = dict(zip(challengers.game_ids, challengers.learnt.tolist(), strict=True))
    by_challenger = np.array([learnt.get(game_id, 0) for game_id in dataset.game_ids], dtype=np.int64)
    fair = by_challenger >= (1 - UNFAIR) * bundle.manifest.games
    chosen = fair & (dataset.starts > known_after) & (dataset.outcomes >= 0)
    games = dataset.select(chosen)
    losses = np.zeros(0)
    if len(games):
        losses = scoring.log_losses(bundle.forecaster.probabilities(games.columns(features)), games.outcomes)
    return HeldOut(games.game_ids, games.starts, games.outcomes, losses, by_challenger[chosen])


def _joined(registered: HeldOut, since: HeldOut) -> HeldOut:
    """Both; of a game in both, such as one that was moved to a later day, the registered loss."""
    known = set(registered.game_ids)
    new = np.array([game_id not in known for game_id in since.game_ids], dtype=bool)
    arrays = {
        name: np.concatenate((getattr(registered, name), getattr(since, name)[new]))
        for name in ("starts", "outcomes", "losses", "learnt")
    }
    fresh = (game_id for game_id, kept in zip(since.game_ids, new, strict=True) if kept)
    return replace(registered, game_ids=(*registered.game_ids, *fresh), **arrays)

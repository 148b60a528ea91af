"""Which versions of a model exist and which one is champion: our own tables, changed by one conditional UPDATE.

MLflow's aliases take two writes and can be read between them, so they only mirror this record.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine, RowMapping

from core.database.transactions import reading, writing
from core.database.upserts import insert_new
from core.errors import ConflictError, ResourceNotFoundError
from core.registry import held_out, tables
from core.registry.held_out import HeldOut
from core.text.nearest import nearest


@dataclass(frozen=True)
class Version:
    """One registered version of a model."""

    model: str
    version: int
    sport: str
    league: str
    variant: str
    recipe: str
    """Name and digest of the recipe."""
    bundle_sha256: str
    features: str
    """Fingerprint of the feature set."""
    snapshot_sha256: str
    trained_until: datetime
    registered_at: datetime
    run_id: str
    scores: Mapping[str, Any]
    """Measured on held-out games: log_loss, games, and the same of base rate, Elo and market."""


@dataclass(frozen=True)
class Deployment:
    """The deployment record of a model; ``generation`` grows by one with every change."""

    model: str
    generation: int
    champion: int | None
    challenger: int | None
    previous: int | None
    changed_at: datetime


def model_name(league: str, variant: str) -> str:
    """Name of the registered model of a league's variant, ``EPL-results`` for example."""
    return f"{league}-{variant}"


def register(engine: Engine, version: Version, now: datetime, losses: HeldOut | None = None) -> None:
    """Insert a version with its held-out losses and make it the model's challenger, in one transaction."""
    row = {**version.__dict__, "scores": json.dumps(version.scores, sort_keys=True)}
    record = {
        "model": version.model,
        "generation": 0,
        "champion": None,
        "challenger": None,
        "previous": None,
        "changed_at": now,
    }
    with writing(engine) as connection:
        insert_new(connection, tables.versions, [row])
        if losses is not None:
            held_out.keep(connection, version.model, version.version, losses)
        insert_new(connection, tables.deployments, [record])
        connection.execute(
            sa.update(tables.deployments)
            .where(tables.deployments.c.model == version.model)
            .values(challenger=version.version, generation=tables.deployments.c.generation + 1, changed_at=now)
        )


def deployments(engine: Engine) -> dict[str, Deployment]:
    """Every deployment record by model name, in one query."""
    with reading(engine) as connection:
        rows = connection.execute(sa.select(tables.deployments).order_by(tables.deployments.c.model)).mappings()
        return {row["model"]: Deployment(**row) for row in rows}


def deployment(engine: Engine, model: str) -> Deployment:
    """The record of one model. Raises ResourceNotFoundError with the nearest names."""
    records = deployments(engine)
    if model not in records:
        raise ResourceNotFoundError(f"There is no model {model!r}.", nearest=nearest(model, records))
    return records[model]


def versions(engine: Engine, model: str | None = None) -> list[Version]:
    """Registered versions, of one model or all, oldest first."""
    query = sa.select(tables.versions).order_by(tables.versions.c.model, tables.versions.c.version)
    if model is not None:
        query = query.where(tables.versions.c.model == model)
    with reading(engine) as connection:
        return [_version(row) for row in connection.execute(query).mappings()]


def version(engine: Engine, model: str, number: int) -> Version:
    """One registered version. Raises ResourceNotFoundError with the nearest models, or the versions that exist."""
    by_number = {item.version: item for item in versions(engine, model)}
    if not by_number:
        deployment(engine, model)
    if number not in by_number:
        msg = f"{model} has no version {number}."
        raise ResourceNotFoundError(msg, nearest=tuple(f"{model} {existing}" for existing in by_number))
    return by_number[number]


def install_champion(engine: Engine, seen: Deployment, champion: int, now: datetime) -> Deployment:
    """Make a version champion if the record is still ``seen``.

    Raises ConflictError, and writes nothing, if the record has changed since.
    """
    challenger = None if seen.challenger == champion else seen.challenger
    previous = seen.previous if seen.champion == champion else seen.champion
    return _change(engine, seen, now, champion=champion, challenger=challenger, previous=previous)


def roll_back(engine: Engine, model: str, now: datetime) -> Deployment:
    """Make the previous champion champion again; then there is no previous one until another version is promoted.

    So a rollback requested twice, by two people or after a failure, never restores the version that was rolled back.
    Raises ConflictError when there is no previous champion.
    """
    seen = deployment(engine, model)
    if seen.previous is None:
        msg = f"{model} has no previous champion to roll back to."
        hint = f"A rollback undoes one promotion only; for another version, `dbsbm promote {model} --version N`."
        raise ConflictError(msg, hint=hint)
    return _change(engine, seen, now, champion=seen.previous, challenger=seen.challenger, previous=None)


def renew(engine: Engine, model: str, now: datetime) -> Deployment:
    """Increase the generation and change nothing else, so that followers of the record load its champion again."""
    seen = deployment(engine, model)
    return _change(engine, seen, now, champion=seen.champion)


def _change(engine: Engine, seen: Deployment, now: datetime, **columns: int | None) -> Deployment:
    record = tables.deployments
    # The whole record: a restored database may hold another one of the same generation.
    update = (
        sa.update(record)
        .where(*(record.c[name].is_not_distinct_from(value) for name, value in vars(seen).items()))
        .values(generation=seen.generation + 1, changed_at=now, **columns)
    )
    with writing(engine) as connection:
        if connection.execute(update).rowcount != 1:
            msg = f"The deployment record of {seen.model} has been changed by someone else."
            raise ConflictError(msg, hint="See `dbsbm models` and try again.")
    return deployment(engine, seen.model)


def _version(row: RowMapping) -> Version:
    return Version(**{**row, "scores": json.loads(row["scores"])})

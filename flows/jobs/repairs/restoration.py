"""A backup restored over our own database, while servers may be running."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.database.transactions import reading
from core.registry.restored_deployments import RestoredDeployments
from feature_store.archive.restored_history import RestoredHistory
from feature_store.sources.bot.people.restored_consents import RestoredConsents
from migrations import schema
from migrations.backup import OnTable
from migrations.restore import RestoreOverride, RestorePlan, plan_restore, restore
from serving.access.restored_keys import RestoredKeys
from serving.champions.tables import workers


def plan_restoration(engine: Engine, file: Path, now: datetime) -> RestorePlan:
    """What `restore_database` would do; changes nothing, and raises what it would raise."""
    return plan_restore(engine, file, _overrides(now))


def restore_database(
    engine: Engine,
    file: Path,
    leagues: Leagues,
    *,
    replace: bool,
    now: datetime,
    on_table: OnTable = lambda _name, _done, _all: None,
) -> RestorePlan:
    """Replace every row by the backup's in one transaction, alone with the archive.

    What people decided since for their safety holds on: revoked keys and withdrawn consents. Snapshots and back-fills
    wait until it is done; servers answer on and follow the restored deployment record.
    """
    writers = ["snapshot", "archive people", "archive quarantine"]
    writers += [f"{kind} {league.key}" for league in leagues for kind in ("aliases", "archive")]
    return restore(engine, file, replace=replace, overrides=_overrides(now), alone=writers, on_table=on_table)


def count_workers(engine: Engine) -> int:
    """The serving workers that are registered; one that died is listed for a minute."""
    if schema.current(engine) != schema.head():
        return 0
    with reading(engine) as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(workers)) or 0


def _overrides(now: datetime) -> Sequence[RestoreOverride]:
    return RestoredKeys(now), RestoredConsents(), RestoredDeployments(now), RestoredHistory(now)

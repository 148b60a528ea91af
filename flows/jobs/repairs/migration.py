"""Changes of our own database's schema: one at a time, after a backup, and checked."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.engine import Engine

from core.database.engines import open_database
from core.database.transactions import turn
from core.errors import ConflictError, DataIntegrityError, DbsbmError, OperationTimeoutError
from core.settings import Settings
from migrations import schema
from migrations.backup import BackupReport, OnTable, backup, holds_rows
from migrations.restore import verify_backup
from migrations.text_check import check_text

ANSWER_SECONDS: Final = 3600.0
"""How long one statement may take: a large table is rewritten by some."""

LOCK: Final = "schema"


class BackupRequiredError(ConflictError):
    """The database holds rows, and no backup of them could be written and verified."""


@dataclass(frozen=True)
class SchemaChange:
    """What a change of the schema did."""

    before: str | None
    after: str | None
    continued: str | None
    """The interrupted migration that was finished first."""
    backup: BackupReport | None
    """The backup that was written and verified before; None if no row was at stake."""


@contextmanager
def schema_database(settings: Settings, when_waiting: Callable[[], None]) -> Iterator[Engine]:
    """Our own database for one change of its schema at a time; others wait up to an hour, after ``when_waiting``."""
    engine = open_database(settings.database, answering=ANSWER_SECONDS)
    try:
        with ExitStack() as held:
            try:
                held.enter_context(turn(engine, LOCK, lock_seconds=1))
            except OperationTimeoutError:
                when_waiting()
                held.enter_context(turn(engine, LOCK, lock_seconds=schema.WAITING_SECONDS))
            yield engine
    finally:
        engine.dispose()


def upgrade_database(
    engine: Engine,
    revision: str,
    backups: Path | None,
    *,
    now: datetime,
    on_table: OnTable = lambda _name, _done, _all: None,
) -> SchemaChange:
    """Bring the schema to the revision, and check that the database gives text back as it was written.

    An interrupted migration is finished first. If there are rows and something to do, they are backed up to a new file
    in ``backups`` before; None for no backup. Raises BackupRequiredError if that fails; the schema is as it was then.
    """
    target, before = schema.resolve(revision), schema.current(engine)
    continued = schema.finish_interrupted(engine)
    made = None
    if backups is not None and schema.current(engine) not in (None, target) and holds_rows(engine):
        made = _back_up(engine, backups, now, on_table)
    after = schema.upgrade(engine, revision)
    check_text(engine)
    return SchemaChange(before, after, None if continued is None else str(continued), made)


def _back_up(engine: Engine, folder: Path, now: datetime, on_table: OnTable) -> BackupReport:
    """Write a backup and read it again."""
    path = folder / f"before-upgrade-from-{schema.current(engine)}-{now:%Y%m%dT%H%M%SZ}.gz"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = backup(engine, path, now=now, on_table=on_table)
        if verify_backup(path) != made.rows:
            raise DataIntegrityError(f"{path} does not hold what was written to it.")
    except (DbsbmError, OSError) as error:
        msg = f"The database holds rows, and their backup failed: {error}"
        hint = "Make room at BACKUP_DIR, or add --no-backup if there is a backup already."
        raise BackupRequiredError(msg, hint=hint) from error
    return made

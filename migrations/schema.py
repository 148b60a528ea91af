"""Upgrades, downgrades and checks of the database's schema."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine

from core.database.transactions import reading, writing
from core.errors import ServiceError, ValidationError
from core.logs import get_logger
from migrations import step_journal
from migrations.step_journal import STEP_TABLE, VERSION_TABLE, Direction, UnfinishedStep, needs_journal
from migrations.tables import METADATA

FOLDER: Final = Path(__file__).parent
WAITING_SECONDS: Final = 3600
"""How long a migration waits for another one to end."""

log = get_logger(__name__)


def upgrade(engine: Engine, revision: str = "head") -> str | None:
    """Run every revision up to the given one; returns the resulting revision. One migration runs at a time.

    A migration that was interrupted is finished first, in its own direction.
    """
    if revision in ("head", head()) and current(engine) == head() and unfinished(engine) is None:
        return head()
    return _migrate(engine, "upgrade", revision)


def downgrade(engine: Engine, revision: str) -> str | None:
    """Undo every revision after the given one (``base`` undoes all); returns the resulting revision.

    A migration that was interrupted is finished first, in its own direction.
    """
    return _migrate(engine, "downgrade", revision)


def finish_interrupted(engine: Engine) -> UnfinishedStep | None:
    """Finish the migration that was interrupted, in its own direction; returns it, or None if there is none."""
    if (step := unfinished(engine)) is not None:
        with writing(engine, alone="migrations", lock_seconds=WAITING_SECONDS) as connection:
            _finish(connection)
            _drop_journal(connection)
    return step


def unfinished(engine: Engine) -> UnfinishedStep | None:
    """The migration that was interrupted or still runs, if any."""
    with reading(engine) as connection:
        return step_journal.unfinished_step(connection)


def _migrate(engine: Engine, direction: Direction, revision: str) -> str | None:
    with writing(engine, alone="migrations", lock_seconds=WAITING_SECONDS) as connection:
        _create_journal(connection)
        _finish(connection)
        _run(connection, direction, revision)
        _drop_journal(connection)
    return current(engine)


def _create_journal(connection: Connection) -> None:
    step_journal.versions.create(connection, checkfirst=True)
    if needs_journal(connection):
        step_journal.steps.create(connection, checkfirst=True)


def _drop_journal(connection: Connection) -> None:
    if needs_journal(connection):
        step_journal.steps.drop(connection, checkfirst=True)


def _finish(connection: Connection) -> None:
    step = step_journal.unfinished_step(connection)
    if step is None:
        return
    present = _context(connection).get_current_revision() or ""
    if present != step.revision:
        msg = f"Migrations cannot continue: {step}, but the database is at {present or 'base'}."
        hint = "Another version of this code has migrated it meanwhile. Restore a backup into a new database."
        raise ServiceError(msg, hint=hint)
    log.warning("continuing an unfinished migration", step=str(step))
    _run(connection, step.direction, "+1" if step.direction == "upgrade" else "-1")


def _run(connection: Connection, direction: Direction, revision: str) -> None:
    with step_journal.journal(connection, direction) as journal:
        step = command.upgrade if direction == "upgrade" else command.downgrade
        try:
            step(_config(connection, journal.finish_step), revision)
        except CommandError as error:
            raise _unknown(revision) from error


def current(engine: Engine) -> str | None:
    """The database's revision; None for an empty database."""
    with reading(engine) as connection:
        return _context(connection).get_current_revision()


def head() -> str | None:
    """The newest revision in the code."""
    return _script().get_current_head()


def resolve(revision: str) -> str | None:
    """The revision that the name means, such as `head`; None for base and for a relative name such as `+1`.

    Raises ValidationError for a name without a revision.
    """
    if revision.startswith(("+", "-")):
        return None
    try:
        found = _script().get_revision(revision)
    except CommandError as error:
        raise _unknown(revision) from error
    return None if found is None else found.revision


def _unknown(revision: str) -> ValidationError:
    return ValidationError(f"revision: there is no revision {revision!r}.", field="revision")


def differences(engine: Engine) -> list[str]:
    """The differences between the database and the code's tables; empty if they agree."""
    with reading(engine) as connection:
        return [str(change) for change in compare_metadata(_context(connection), METADATA)]


def _context(connection: Connection) -> MigrationContext:
    options = {"version_table": VERSION_TABLE, "compare_type": True, "include_name": _is_compared}
    return MigrationContext.configure(connection, opts=options)


def _is_compared(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and name == STEP_TABLE)


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(None))


def _config(connection: Connection | None, when_applied: Callable[..., Any] | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))  # % begins an interpolation
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, when_applied=when_applied)
    return config

"""Upgrades, downgrades and checks of the database's schema."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine

from core.database import reading, writing
from core.errors import ValidationError
from migrations.tables import METADATA

FOLDER: Final = Path(__file__).parent
VERSION_TABLE: Final = "schema_version"


def upgrade(engine: Engine, revision: str = "head") -> str | None:
    """Run every revision up to the given one; returns the resulting revision. One migration runs at a time."""
    with writing(engine, alone="migrations") as connection:
        _run(connection, command.upgrade, revision)
    return current(engine)


def downgrade(engine: Engine, revision: str) -> str | None:
    """Undo every revision after the given one (``base`` undoes all); returns the resulting revision."""
    with writing(engine, alone="migrations") as connection:
        _run(connection, command.downgrade, revision)
    return current(engine)


def _run(connection: Connection, step: object, revision: str) -> None:
    try:
        step(_config(connection), revision)  # type: ignore[operator]
    except CommandError as error:
        raise ValidationError(f"revision: there is no revision {revision!r}.", field="revision") from error


def current(engine: Engine) -> str | None:
    """The database's revision; None for an empty database."""
    with reading(engine) as connection:
        return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def head() -> str | None:
    """The newest revision in the code."""
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def differences(engine: Engine) -> list[str]:
    """The differences between the database and the code's tables; empty if they agree."""
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        return [str(change) for change in compare_metadata(context, METADATA)]


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))  # % begins an interpolation
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config

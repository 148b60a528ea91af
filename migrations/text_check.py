"""Checks that the database gives text back as it was written, whatever the server's defaults are."""

from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.database.bulk_insert import insert_new_tuples
from core.database.schema import SMALLEST_PACKET
from core.database.transactions import reading, writing
from core.errors import DatabaseError, DataIntegrityError
from feature_store.identity.tables import team_aliases
from migrations.step_journal import VERSION_TABLE
from migrations.tables import METADATA

SAMPLE: Final = "Śląsk Ω 日本 🏀"
"""Letters of several alphabets, and one outside the plane that MySQL's three-byte charset holds."""

COLLATION: Final = "utf8mb4_bin"
NAMES: Final = (SAMPLE, SAMPLE.upper(), f"{SAMPLE}?")
"""Different names, which a collation without case or a charset without these letters would take for one."""

ORIGIN: Final = "text check"
SOME_MOMENT: Final = datetime(2000, 1, 1, tzinfo=UTC)


def check_text(engine: Engine) -> None:
    """Raise DataIntegrityError naming each part of the database that cannot hold every text, or confuses two."""
    faults = text_faults(engine)
    if faults:
        shown = "; ".join(faults[:10]) + (f"; and {len(faults) - 10} more" if len(faults) > 10 else "")
        hint = f"For each table: ALTER TABLE name CONVERT TO CHARACTER SET utf8mb4 COLLATE {COLLATION}."
        raise DataIntegrityError(f"The database cannot hold every name: {shown}.", hint=hint, faults=faults)


def text_faults(engine: Engine) -> list[str]:
    """What cannot hold every text: connection, columns, or a row that is written, read back and rolled back."""
    if engine.dialect.name == "sqlite":
        return []
    with reading(engine) as connection:
        faults = _faults_of_connection(connection) + _faults_of_columns(connection)
        has_tables = sa.inspect(connection).has_table(team_aliases.name)
    return faults or (_faults_of_a_row(engine) if has_tables else [])


def default_charset(engine: Engine) -> str:
    """The charset of new columns that name none; empty on SQLite."""
    if engine.dialect.name == "sqlite":
        return ""
    with reading(engine) as connection:
        return str(connection.scalar(sa.text("SELECT @@character_set_database")))


def packet_fault(engine: Engine) -> str:
    """Why the server refuses statements of this service for their length; empty if it does not."""
    if engine.dialect.name == "sqlite":
        return ""
    with reading(engine) as connection:
        largest = int(connection.scalar(sa.text("SELECT @@max_allowed_packet")) or 0)
    return "" if largest >= SMALLEST_PACKET else f"max_allowed_packet is {largest:,}, {SMALLEST_PACKET:,} needed"


def _faults_of_connection(connection: Connection) -> list[str]:
    returned = connection.scalar(sa.select(sa.literal(SAMPLE)))
    return [] if returned == SAMPLE else [f"the connection gives {returned!r} back for {SAMPLE!r}"]


def _faults_of_columns(connection: Connection) -> list[str]:
    """Our columns of another collation. Alembic's holds names of revisions, which are plain ASCII."""
    names = ("table_name", "column_name", "collation_name", "table_schema")
    columns = sa.table("columns", *map(sa.column, names), schema="information_schema").c
    found = sa.select(columns.table_name, columns.column_name, columns.collation_name).where(
        columns.table_schema == sa.func.database(),
        columns.collation_name.is_not(None),
        columns.collation_name != COLLATION,
    )
    ours = METADATA.tables.keys() - {VERSION_TABLE}
    rows = sorted(tuple(row) for row in connection.execute(found) if row[0] in ours)
    return [f"{table}.{column} is {collation} instead of {COLLATION}" for table, column, collation in rows]


def _faults_of_a_row(engine: Engine) -> list[str]:
    """Write names by both ways of inserting, read them, and roll back: no other session sees them."""
    faults = []
    for way, insert in {"an insert": _insert, "a bulk insert": _bulk_insert}.items():
        try:
            with writing(engine) as connection, connection.begin_nested() as savepoint:
                insert(connection)
                returned = _read(connection)
                savepoint.rollback()
        except DatabaseError as error:
            faults.append(f"{way} into {team_aliases.name} fails: {error.message}")
            continue
        if returned != sorted(NAMES):
            faults.append(f"{way} into {team_aliases.name} gives {returned} back for {sorted(NAMES)}")
    return faults


def _rows() -> list[dict[str, Any]]:
    return [
        {"sport": ORIGIN, "league": ORIGIN, "alias": name, "team": name, "source": ORIGIN, "recorded_at": SOME_MOMENT}
        for name in NAMES
    ]


def _insert(connection: Connection) -> None:
    connection.execute(sa.insert(team_aliases), _rows())


def _bulk_insert(connection: Connection) -> None:
    insert_new_tuples(connection, team_aliases, list(_rows()[0]), [tuple(row.values()) for row in _rows()])


def _read(connection: Connection) -> list[str]:
    written = team_aliases.c
    named = sa.select(written.team).where(written.sport == ORIGIN, written.alias.in_(NAMES))
    return sorted(connection.scalars(named))

"""The tables and columns that are needed of the bot's database, and those that are there."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import NoSuchTableError

from core.database.transactions import reading
from core.errors import DataIntegrityError

GAMES_TABLE: Final = "api_games"
NEEDED: Final = (
    "api_game_id",
    "sport",
    "league_id",
    "league_name",
    "home_team_name",
    "away_team_name",
    "start_time",
    "end_time",
    "status",
    "score",
    "season",
    "raw_json",
    "fetched_at",
)
OPTIONAL: Final = ("id", "odds")
"""``id`` names a row in the quarantine; ``odds`` exists in an older definition of the table only."""


def read_schema(bot: Engine) -> dict[str, list[str]]:
    """The tables and views of the bot's database that the account may see, with their columns in order.

    Raises DatabaseError when the bot's database cannot be read.
    """
    with reading(bot) as connection:
        columns_by_table = sa.inspect(connection).get_multi_columns(kind=sa.engine.reflection.ObjectKind.ANY)
    return {
        name: [column["name"] for column in columns] for (_, name), columns in sorted(columns_by_table.items(), key=str)
    }


def feed_table(bot: Engine) -> sa.TableClause:
    """The bot's table of games with the columns that are read: all needed ones, and the optional ones that are there.

    Raises DataIntegrityError naming every missing table or column, DatabaseError when the bot's database
    cannot be read.
    """
    present = _columns(bot, GAMES_TABLE)
    missing = [f"column {GAMES_TABLE}.{name}" for name in NEEDED if name not in present]
    if not present:
        missing = [f"table {GAMES_TABLE}"]
    if missing:
        raise DataIntegrityError(
            f"The bot's database lacks {', '.join(missing)}.",
            hint="`dbsbm snapshot --show-schema` lists the tables and columns that are there.",
            missing=missing,
        )
    wanted = (*NEEDED, *(name for name in OPTIONAL if name in present))
    return sa.table(GAMES_TABLE, *(sa.column(name) for name in wanted))


def _columns(bot: Engine, table: str) -> set[str]:
    """Lower-case names of a table's columns; none if there is no such table."""
    with reading(bot) as connection:
        try:
            return {column["name"].lower() for column in sa.inspect(connection).get_columns(table)}
        except NoSuchTableError:
            return set()

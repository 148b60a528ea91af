"""Takes back facts that should not have been recorded, most of all those that a wrong clock dated in the future.

The archive is append-only, and this is its one exception: a later fact cannot correct one that is dated after it. What
is taken back goes to the quarantine with the reason, so that nothing is lost, and the change log says from which moment
on states and rows must be made again.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, RowMapping

from core.database.transactions import reading, writing
from feature_store.archive import tables
from feature_store.archive.change_log import note_retraction
from feature_store.archive.facts import Rejected
from feature_store.archive.sightings import forget_sightings
from feature_store.archive.store import put_in_quarantine

LeagueKey = tuple[str, str]
"""Sport and key."""
FactName = Literal["game", "result", "quote"]

KINDS: Final[Mapping[FactName, sa.Table]] = {"game": tables.games, "result": tables.results, "quote": tables.quotes}
CLOCKS: Final = ("start_at", "finished_at", "quoted_at", "known_at")
DISPLACED: Final = timedelta(seconds=1)
"""A fact that was recorded after a wrongly dated one of its game is known some microseconds after it."""


@dataclass(frozen=True)
class RecordedSpan:
    """Which facts are meant: those recorded from ``since`` to ``until``, by one source or by all."""

    since: datetime
    until: datetime | None = None
    source: str | None = None

    def covers(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that a moment lies in the span."""
        return column >= self.since if self.until is None else column.between(self.since, self.until)


class Retracted(NamedTuple):
    """How many facts of each kind were taken back."""

    games: int
    results: int
    quotes: int


def count_recorded(engine: Engine, span: RecordedSpan) -> dict[LeagueKey, Retracted]:
    """Return how many facts of each league were recorded in the span."""
    counts: dict[LeagueKey, dict[str, int]] = {}
    with reading(engine) as connection:
        for kind, table in KINDS.items():
            leagues = (table.c.sport, table.c.league)
            query = sa.select(*leagues, sa.func.count()).where(_recorded(table, span)).group_by(*leagues)
            for sport, league, count in connection.execute(query).tuples():
                counts.setdefault((sport, league), {})[kind] = count
    return {league: Retracted(*(of.get(kind, 0) for kind in KINDS)) for league, of in sorted(counts.items())}


def retract(engine: Engine, league: LeagueKey, span: RecordedSpan, now: datetime) -> Retracted:
    """Take back the league's facts that were recorded in the span, and those that were dated after them in turn.

    In one transaction. Facts that the source still holds are recorded again by its next run.
    """
    with writing(engine, alone=f"archive {league[1]}") as connection:
        found = {kind: _rows(connection, table, league, _recorded(table, span)) for kind, table in KINDS.items()}
        rows = [row for of_kind in found.values() for row in of_kind]
        if not rows:
            return Retracted(0, 0, 0)
        game_ids = {row["game_id"] for row in rows}
        moments = [row["known_at"] for row in rows]
        for kind, table in KINDS.items():
            found[kind] += _displaced(connection, table, league, game_ids, min(moments), max(moments) + DISPLACED)
            _delete(connection, table, found[kind])
        touched = [row[clock] for of_kind in found.values() for row in of_kind for clock in CLOCKS if clock in row]
        forget_sightings(connection, *league, min(row["recorded_at"] for row in rows))
        note_retraction(connection, *league, min(touched), game_ids)
        reason = f"taken back: recorded at {span.since:%Y-%m-%d %H:%M} UTC or later, by a wrong clock or in error"
        items = [_rejected(kind, row, reason) for kind, of_kind in found.items() for row in of_kind]
        put_in_quarantine(connection, items, now)
    return Retracted(*(len(of_kind) for of_kind in found.values()))


def _recorded(table: sa.Table, span: RecordedSpan) -> sa.ColumnElement[bool]:
    condition = span.covers(table.c.recorded_at)
    return condition if span.source is None else condition & (table.c.source == span.source)


def _rows(
    connection: Connection, table: sa.Table, league: LeagueKey, condition: sa.ColumnElement[bool]
) -> list[RowMapping]:
    of_league = (table.c.sport == league[0]) & (table.c.league == league[1])
    return list(connection.execute(sa.select(table).where(of_league, condition)).mappings())


def _displaced(
    connection: Connection, table: sa.Table, league: LeagueKey, game_ids: Set[str], first: datetime, last: datetime
) -> list[RowMapping]:
    """Return facts of the games that are known in this time although they were recorded earlier, with a right clock.

    Those were recorded after a wrongly dated one of their game, and are dated after it for this reason.
    """
    moved = table.c.known_at.between(first, last) & (table.c.recorded_at < first)
    return [row for row in _rows(connection, table, league, moved) if row["game_id"] in game_ids]


def _delete(connection: Connection, table: sa.Table, rows: list[RowMapping]) -> None:
    if rows:
        columns = list(table.primary_key.columns)
        one = sa.and_(*(column == sa.bindparam(f"key_{column.name}") for column in columns))
        keys = [{f"key_{column.name}": row[column.name] for column in columns} for row in rows]
        connection.execute(sa.delete(table).where(one), keys)


def _rejected(kind: FactName, row: RowMapping, reason: str) -> Rejected:
    place = f"{row['sport']}/{row['league']}/{row['game_id']}"
    return Rejected(
        row["source"], place, kind, reason, orjson.dumps({str(name): value for name, value in row.items()}).decode()
    )

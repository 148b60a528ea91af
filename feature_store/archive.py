"""The append-only archive: write what is new, read what was known by a moment.

A fact is stored once. What a source repeats unchanged adds nothing; what it changes becomes a further row
with its own ``known_at``; nothing is updated or deleted. That makes every source safe to run again, to run
twice at once, and to kill.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database import insert_new, reading, writing
from feature_store import tables
from feature_store.facts import Batch, Game, Quote, Rejected, Result

Fact = TypeVar("Fact", bound=Game | Result | Quote)
IDS_PER_QUERY = 1_000
NO_CLOCK = datetime.min.replace(tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
"""The least by which two versions of a fact differ in ``known_at``, which is part of their key."""


class Origin(NamedTuple):
    """What every row of a batch shares: its league, who said so, and when the row was written."""

    sport: str
    league: str
    source: str
    recorded_at: datetime


@dataclass(frozen=True)
class Recorded:
    """What one batch added: new facts, corrections among them, facts already there, and rejected items."""

    games: int = 0
    results: int = 0
    quotes: int = 0
    corrections: int = 0
    unchanged: int = 0
    rejected: int = 0

    def __add__(self, other: "Recorded") -> "Recorded":
        return Recorded(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def added(self) -> int:
        """Facts that were not in the archive before."""
        return self.games + self.results + self.quotes


def record(engine: Engine, league: League, batch: Batch, *, source: str, recorded_at: datetime) -> Recorded:
    """Write what the batch adds to the archive, in one transaction.

    A fact equal to the one already known at its ``known_at`` is skipped. One that contradicts a fact of the
    same ``known_at`` is a correction that we learned now, so it is known from ``recorded_at`` on.
    """
    origin = Origin(league.sport, league.key, source, recorded_at)
    with writing(engine, alone=f"archive {league.key}") as connection:
        games, corrected_games = _record_facts(connection, tables.games, Game._make, batch.games, origin)
        results, corrected_results = _record_facts(connection, tables.results, Result._make, batch.results, origin)
        quotes, corrected_quotes = _record_facts(connection, tables.quotes, Quote._make, batch.quotes, origin)
    quarantine(engine, batch.rejected, recorded_at)
    return Recorded(
        games,
        results,
        quotes,
        corrections=corrected_games + corrected_results + corrected_quotes,
        unchanged=len(batch.games) + len(batch.results) + len(batch.quotes) - games - results - quotes,
        rejected=len(batch.rejected),
    )


def _record_facts(
    connection: Connection, table: sa.Table, read: Callable[[Any], Fact], facts: Sequence[Fact], origin: "Origin"
) -> tuple[int, int]:
    """Insert the new facts of one kind; returns how many, and how many of those changed an earlier fact."""
    known: dict[tuple[str, ...], list[Fact]] = defaultdict(list)
    for stored in _stored(connection, table, read, origin.sport, origin.league, {fact.game_id for fact in facts}):
        known[_identity(stored)].append(stored)
    fresh: list[Fact] = []
    corrected = 0
    for fact in facts:
        versions = known[_identity(fact)]
        new = _as_new(fact, versions, origin.recorded_at)
        if new is not None:
            corrected += bool(versions)
            versions.append(new)
            fresh.append(new)
    insert_new(connection, table, [{**fact._asdict(), **origin._asdict()} for fact in fresh])
    return len(fresh), corrected


def _as_new(fact: Fact, versions: Sequence[Fact], recorded_at: datetime) -> Fact | None:
    """The fact as it is to be stored beside its earlier versions, or None if it says nothing new."""
    before = max((other for other in versions if other.known_at <= fact.known_at), key=_known_at, default=None)
    if before is None:
        return fact
    if _content(before) == _content(fact):
        return None
    if before.known_at < fact.known_at:
        return fact
    latest = max(versions, key=_known_at)
    return None if _content(latest) == _content(fact) else _moved(fact, max(recorded_at, latest.known_at + INSTANT))


def quarantine(engine: Engine, rejected: Iterable[Rejected], recorded_at: datetime) -> None:
    """Keep what could not be believed, once per place and reason, with its own words."""
    entries = [
        {
            "entry_id": sha256("\x1f".join(item).encode()).hexdigest(),
            **item._asdict(),
            "source": item.source[:80],
            "place": item.place[:255],
            "reason": item.reason[:500],
            "recorded_at": recorded_at,
        }
        for item in rejected
    ]
    with writing(engine, alone="archive quarantine") as connection:
        insert_new(connection, tables.quarantine, entries)


def load(engine: Engine, league: League, known_by: datetime) -> Batch:
    """Every fact of the league that was known by the moment, corrections included, in order of ``known_at``."""
    with reading(engine) as connection:
        return Batch(
            games=_stored(connection, tables.games, Game._make, league.sport, league.key, known_by=known_by),
            results=_stored(connection, tables.results, Result._make, league.sport, league.key, known_by=known_by),
            quotes=_stored(connection, tables.quotes, Quote._make, league.sport, league.key, known_by=known_by),
        )


def count_games(engine: Engine) -> dict[str, int]:
    """How many different games the archive holds, by league key."""
    distinct = sa.select(tables.games.c.league, sa.func.count(sa.distinct(tables.games.c.game_id))).group_by(
        tables.games.c.league
    )
    with reading(engine) as connection:
        return {league: count for league, count in connection.execute(distinct)}  # noqa: C416 - rows are not pairs to mypy


def _stored(
    connection: Connection,
    table: sa.Table,
    read: Callable[[Any], Fact],
    sport: str,
    league: str,
    game_ids: set[str] | None = None,
    known_by: datetime | None = None,
) -> list[Fact]:
    of_league = (table.c.sport == sport) & (table.c.league == league)
    columns = [table.c[name] for name in _FIELDS[table.name]]
    query = sa.select(*columns).where(of_league).order_by(table.c.known_at, table.c.game_id)
    if known_by is not None:
        query = query.where(table.c.known_at <= known_by)
    if game_ids is None:
        return [read(row) for row in connection.execute(query)]
    wanted = sorted(game_ids)
    return [
        read(row)
        for start in range(0, len(wanted), IDS_PER_QUERY)
        for row in connection.execute(query.where(table.c.game_id.in_(wanted[start : start + IDS_PER_QUERY])))
    ]


_FIELDS = {"archive_games": Game._fields, "archive_results": Result._fields, "archive_quotes": Quote._fields}


def _identity(fact: Game | Result | Quote) -> tuple[str, ...]:
    return (fact.game_id, fact.book, fact.moment) if isinstance(fact, Quote) else (fact.game_id,)


def _content(fact: Game | Result | Quote) -> tuple[object, ...]:
    """What the fact says, without its clock: a price shown again later says nothing new."""
    if isinstance(fact, Quote):
        return fact._replace(known_at=NO_CLOCK, quoted_at=NO_CLOCK)
    return fact._replace(known_at=NO_CLOCK)


def _moved(fact: Fact, known_at: datetime) -> Fact:
    return fact._replace(known_at=known_at)  # type: ignore[return-value]


def _known_at(fact: Game | Result | Quote) -> datetime:
    return fact.known_at

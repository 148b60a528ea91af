"""The append-only archive: write what is new, read what was known by a moment.

A fact is stored once. What a source repeats unchanged adds nothing; what it changes becomes a further row
with its own ``known_at``; nothing is updated or deleted. That makes every source safe to run again, to run
twice at once, and to kill.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database import insert_new, reading, writing
from feature_store import tables
from feature_store.facts import Batch, Game, Quote, Rejected, Result

Fact = TypeVar("Fact", Game, Result, Quote)
IDS_PER_QUERY = 1_000
NO_CLOCK = datetime.min.replace(tzinfo=UTC)


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
    origin = {"sport": league.sport, "league": league.key, "source": source, "recorded_at": recorded_at}
    with writing(engine) as connection:
        counts = [
            _record_facts(connection, league, table, read, facts, origin, recorded_at)
            for table, read, facts in (
                (tables.games, _game, batch.games),
                (tables.results, _result, batch.results),
                (tables.quotes, _quote, batch.quotes),
            )
        ]
    quarantine(engine, batch.rejected, recorded_at)
    return Recorded(
        *(added for added, _ in counts),
        corrections=sum(corrected for _, corrected in counts),
        unchanged=len(batch.games) + len(batch.results) + len(batch.quotes) - sum(added for added, _ in counts),
        rejected=len(batch.rejected),
    )


def _record_facts(
    connection: Connection,
    league: League,
    table: sa.Table,
    read: Callable[[Any], Fact],
    facts: Sequence[Fact],
    origin: dict[str, object],
    recorded_at: datetime,
) -> tuple[int, int]:
    """Insert the new facts of one kind; returns how many, and how many of those changed an earlier fact."""
    known: dict[tuple[str, ...], list[Fact]] = defaultdict(list)
    for fact in _stored(connection, league, table, read, {fact.game_id for fact in facts}):
        known[_identity(fact)].append(fact)
    fresh: list[Fact] = []
    corrected = 0
    for fact in facts:
        versions = known[_identity(fact)]
        before = max((other for other in versions if other.known_at <= fact.known_at), key=_known_at, default=None)
        if before is not None and _content(before) == _content(fact):
            continue
        if before is not None and before.known_at == fact.known_at:
            latest = max(versions, key=_known_at)
            if _content(latest) == _content(fact):
                continue
            fact = fact._replace(known_at=max(recorded_at, latest.known_at))
        corrected += bool(versions)
        versions.append(fact)
        fresh.append(fact)
    insert_new(connection, table, [{**fact._asdict(), **origin} for fact in fresh])
    return len(fresh), corrected


def quarantine(engine: Engine, rejected: Iterable[Rejected], recorded_at: datetime) -> None:
    """Keep what could not be believed, once per place and reason, with its own words."""
    entries = [
        {
            "entry_id": sha256("\x1f".join(item).encode()).hexdigest(),
            **item._asdict(),
            "place": item.place[:255],
            "reason": item.reason[:500],
            "recorded_at": recorded_at,
        }
        for item in rejected
    ]
    with writing(engine) as connection:
        insert_new(connection, tables.quarantine, entries)


def load(engine: Engine, league: League, known_by: datetime) -> Batch:
    """Every fact of the league that was known by the moment, corrections included, in order of ``known_at``."""
    with reading(engine) as connection:
        return Batch(
            games=_stored(connection, league, tables.games, _game, known_by=known_by),
            results=_stored(connection, league, tables.results, _result, known_by=known_by),
            quotes=_stored(connection, league, tables.quotes, _quote, known_by=known_by),
        )


def count_games(engine: Engine) -> dict[str, int]:
    """How many different games the archive holds, by league key."""
    distinct = sa.select(tables.games.c.league, sa.func.count(sa.distinct(tables.games.c.game_id))).group_by(
        tables.games.c.league
    )
    with reading(engine) as connection:
        return {league: count for league, count in connection.execute(distinct)}  # noqa: C416 - rows are not pairs to mypy


def newest_fact(engine: Engine) -> dict[str, datetime]:
    """When the archive last learned something, by league key."""
    with reading(engine) as connection:
        newest: dict[str, datetime] = {}
        for table in (tables.games, tables.results, tables.quotes):
            query = sa.select(table.c.league, sa.func.max(table.c.recorded_at, type_=table.c.recorded_at.type))
            for league, moment in connection.execute(query.group_by(table.c.league)):
                newest[league] = max(moment, newest.get(league, moment))
    return newest


def _stored(
    connection: Connection,
    league: League,
    table: sa.Table,
    read: Callable[[Any], Fact],
    game_ids: set[str] | None = None,
    known_by: datetime | None = None,
) -> list[Fact]:
    of_league = (table.c.sport == league.sport) & (table.c.league == league.key)
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
_game = Game._make
_result = Result._make
_quote = Quote._make


def _identity(fact: Game | Result | Quote) -> tuple[str, ...]:
    return (fact.game_id, fact.book, fact.moment) if isinstance(fact, Quote) else (fact.game_id,)


def _content(fact: Game | Result | Quote) -> tuple[object, ...]:
    """What the fact says, without its clock: a price shown again later says nothing new."""
    if isinstance(fact, Quote):
        return fact._replace(known_at=NO_CLOCK, quoted_at=NO_CLOCK)
    return fact._replace(known_at=NO_CLOCK)


def _known_at(fact: Game | Result | Quote) -> datetime:
    return fact.known_at

"""The append-only archive: write what is new, read what was known by a moment.

A fact is stored once per ``known_at``; nothing is updated or deleted. That makes every source safe to run again, to
run twice at once, and to kill.

A value seen again at a later moment is a *sighting*. It is stored like any other fact, and left out when facts are
read. Only so can another value that was seen in between still arrive: of 1.8, 1.7, 1.8 the last one counts, in
whatever order the three come. A source that shows its present alone, and is looked at in order of time, may
leave its sightings out (``live``): nothing can come between them any more.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Generic, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database import insert_new, insert_new_tuples, reading, writing
from feature_store import tables
from feature_store.facts import Batch, Game, Quote, Rejected, Result
from feature_store.shared_values import SharedValues, as_stored

Fact = TypeVar("Fact", Game, Result, Quote)
IDS_PER_QUERY = 1_000
ROWS_AT_ONCE: Final = 10_000
INSTANT = timedelta(microseconds=1)
"""The least by which two versions of a fact differ in ``known_at``, which is part of their key."""


@dataclass(frozen=True)
class _Kind(Generic[Fact]):
    """One kind of fact, its table, and where in its fields the identity ends and what it says begins."""

    table: sa.Table
    make: Callable[[Any], Fact]
    fields: tuple[str, ...]
    identity: int
    content: int
    """A quote's clocks are not what it says: a price shown again later says nothing new."""


GAMES: Final = _Kind(tables.games, Game._make, Game._fields, 1, Game._fields.index("season"))
RESULTS: Final = _Kind(tables.results, Result._make, Result._fields, 1, Result._fields.index("finished_at"))
QUOTES: Final = _Kind(tables.quotes, Quote._make, Quote._fields, 3, Quote._fields.index("odds_home"))


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


def record(
    engine: Engine, league: League, batch: Batch, *, source: str, recorded_at: datetime, live: bool = False
) -> Recorded:
    """Write what the batch adds to the archive, in one transaction.

    A fact that stands there with its ``known_at`` is skipped. One that contradicts a fact of the same
    ``known_at`` is a correction that we learned now, so it is known from ``recorded_at`` on. With ``live`` a fact
    that only repeats the newest one known adds nothing; its source must be looked at in order of time.
    """
    origin = Origin(league.sport, league.key, source, recorded_at)
    with writing(engine, alone=f"archive {league.key}") as connection:
        games, corrected_games = _record_facts(connection, GAMES, batch.games, origin, live=live)
        results, corrected_results = _record_facts(connection, RESULTS, batch.results, origin, live=live)
        quotes, corrected_quotes = _record_facts(connection, QUOTES, batch.quotes, origin, live=live)
        _note_changes(connection, origin, [*games, *results, *quotes])
    quarantine(engine, batch.rejected, recorded_at)
    added = len(games) + len(results) + len(quotes)
    return Recorded(
        len(games),
        len(results),
        len(quotes),
        corrections=corrected_games + corrected_results + corrected_quotes,
        unchanged=len(batch.games) + len(batch.results) + len(batch.quotes) - added,
        rejected=len(batch.rejected),
    )


def _record_facts(
    connection: Connection, kind: _Kind[Fact], facts: Sequence[Fact], origin: Origin, *, live: bool
) -> tuple[list[Fact], int]:
    """Insert the new facts of one kind; returns them, and how many of them changed an earlier fact."""
    known = _versions(connection, kind, facts, origin)
    fresh: list[Fact] = []
    corrected = 0
    for fact in facts:
        versions = known.setdefault(fact[: kind.identity], [])
        new = fact if not versions else _as_new(fact, versions, kind, origin.recorded_at, live=live)
        if new is not None:
            corrected += bool(versions) and _changes(new, versions, kind)
            versions.append(new)
            fresh.append(new)
    shared = tuple(origin)
    rows = [tuple(each) + shared for each in fresh]
    insert_new_tuples(connection, kind.table, (*kind.fields, *Origin._fields), rows)
    return fresh, corrected


def _note_changes(connection: Connection, origin: Origin, fresh: Sequence[Game | Result | Quote]) -> None:
    """Enter in the change log which games the batch says something new of, under the league's next revision.

    Whoever writes to a league's archive is alone with it, so revisions are in the order of commits and a reader
    that has seen one has seen all before it.
    """
    known: dict[str, tuple[datetime, datetime]] = {}
    for fact in fresh:
        game_id, at = fact.game_id, fact.known_at
        first, last = known.get(game_id) or (at, at)
        if not first < at < last:
            known[game_id] = min(first, at), max(last, at)
    next_revision = 1 + newest_revision(connection, origin.sport, origin.league)
    insert_new_tuples(
        connection,
        tables.changes,
        ("sport", "league", "revision", "game_id", "known_from", "known_until"),
        [(origin.sport, origin.league, next_revision, game_id, *moments) for game_id, moments in known.items()],
    )


def newest_revision(connection: Connection, sport: str, league: str) -> int:
    """The league's last entry in the change log; 0 before the first."""
    last = sa.select(sa.func.max(tables.changes.c.revision)).where(
        tables.changes.c.sport == sport, tables.changes.c.league == league
    )
    return connection.scalar(last) or 0


def _versions(
    connection: Connection, kind: _Kind[Fact], facts: Sequence[Fact], origin: Origin
) -> dict[tuple[Any, ...], list[Fact]]:
    """What the archive holds of the same identities."""
    known: dict[tuple[Any, ...], list[Fact]] = {}
    of_league = (kind.table.c.sport == origin.sport) & (kind.table.c.league == origin.league)
    if not connection.scalar(sa.select(sa.exists(sa.select(kind.table.c.sport).where(of_league)))):
        return known
    game_ids: set[str] = set()
    for fact in facts:
        game_ids.add(fact.game_id)
    for stored in _stored(connection, kind, origin.sport, origin.league, game_ids):
        known.setdefault(stored[: kind.identity], []).append(stored)
    return known


def _as_new(
    fact: Fact, versions: Sequence[Fact], kind: _Kind[Fact], recorded_at: datetime, *, live: bool
) -> Fact | None:
    """The fact as it is to be stored beside its earlier versions, or None if it says nothing new."""
    if fact in versions:
        return None
    said = fact[kind.content :]
    latest = max(versions, key=_known_at)
    if not any(other.known_at == fact.known_at for other in versions):
        repeated = live and latest.known_at < fact.known_at and latest[kind.content :] == said
        return None if repeated else fact
    if any(other[kind.content :] == said for other in versions if other.known_at >= fact.known_at):
        return None
    return _moved(fact, max(recorded_at, latest.known_at + INSTANT))


def _changes(fact: Fact, versions: Sequence[Fact], kind: _Kind[Fact]) -> bool:
    """Whether something else was known just before."""
    before = max((other for other in versions if other.known_at < fact.known_at), key=_known_at, default=None)
    return before is not None and before[kind.content :] != fact[kind.content :]


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


def load(
    engine: Engine,
    league: League,
    known_by: datetime | None = None,
    *,
    recorded_by: datetime | None = None,
    game_ids: set[str] | None = None,
) -> Batch:
    """Every fact of the league that was known by the moment, corrections included, in order of ``known_at``.

    Mere sightings are left out. With ``recorded_by`` only what was written to the archive by then; with
    ``game_ids`` only of those games.
    """

    def read(kind: _Kind[Fact]) -> list[Fact]:
        facts = _stored(connection, kind, league.sport, league.key, game_ids, known_by, recorded_by)
        return _without_sightings(facts, kind)

    with reading(engine) as connection:
        return Batch(games=read(GAMES), results=read(RESULTS), quotes=read(QUOTES))


def _without_sightings(facts: list[Fact], kind: _Kind[Fact]) -> list[Fact]:
    """The facts, in order of ``known_at``, without those that repeat the one before of the same identity."""
    if len({fact[: kind.identity] for fact in facts}) == len(facts):
        return facts
    said: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    changes = []
    for fact in facts:
        identity, content = fact[: kind.identity], fact[kind.content :]
        if said.get(identity) != content:
            said[identity] = content
            changes.append(fact)
    return changes


def league_keys(engine: Engine) -> list[str]:
    """The keys of the leagues of which the archive holds games, in alphabetical order."""
    present = sa.select(tables.games.c.sport, tables.games.c.league).distinct()
    with reading(engine) as connection:
        return sorted({league for _, league in connection.execute(present)})


def count_games(engine: Engine) -> dict[str, int]:
    """How many different games the archive holds, by league key."""
    distinct = sa.select(tables.games.c.league, sa.func.count(sa.distinct(tables.games.c.game_id))).group_by(
        tables.games.c.league
    )
    with reading(engine) as connection:
        return {league: count for league, count in connection.execute(distinct)}  # noqa: C416 - rows are not pairs to mypy


def _stored(
    connection: Connection,
    kind: _Kind[Fact],
    sport: str,
    league: str,
    game_ids: set[str] | None = None,
    known_by: datetime | None = None,
    recorded_by: datetime | None = None,
) -> list[Fact]:
    stored = kind.table.c
    query = (
        sa.select(*(as_stored(stored[name]) for name in kind.fields))
        .where((stored.sport == sport) & (stored.league == league))
        .order_by(stored.known_at, stored.game_id)
    )
    if known_by is not None:
        query = query.where(stored.known_at <= known_by)
    if recorded_by is not None:
        query = query.where(stored.recorded_at <= recorded_by)
    columns = SharedValues(kind.table, kind.fields)
    if game_ids is None:
        told = connection.execute(query).partitions(ROWS_AT_ONCE)
        return [kind.make(values) for rows in told for values in columns.of(rows)]
    wanted = sorted(game_ids)
    of_games = (
        query.where(stored.game_id.in_(wanted[start : start + IDS_PER_QUERY]))
        for start in range(0, len(wanted), IDS_PER_QUERY)
    )
    return [kind.make(values) for part in of_games for values in columns.of(connection.execute(part).all())]


def _moved(fact: Fact, known_at: datetime) -> Fact:
    return fact._replace(known_at=known_at)


def _known_at(fact: Game | Result | Quote) -> datetime:
    return fact.known_at

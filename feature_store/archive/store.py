"""The append-only archive: writes what is new, reads what was known by a moment.

A fact is stored once per ``known_at``; nothing is updated or deleted. So every source may be run again, run twice at
once, and killed.

A value seen again at a later moment is a *sighting*. It is stored like any other fact, and left out when facts are
read. Only so can another value that was seen in between still arrive: of 1.8, 1.7, 1.8 the last one counts, in
whatever order the three come. A source that shows its present only, and is read in order of time, may
leave its sightings out (``live``): no other value can come in between.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database.bulk_insert import insert_new_tuples
from core.database.clock import check_not_ahead
from core.database.transactions import reading, writing
from core.database.upserts import insert_new
from feature_store.archive import tables
from feature_store.archive.change_log import note_changes, spans_by_game
from feature_store.archive.checks.identities import admit
from feature_store.archive.facts import FactBatch, Rejected
from feature_store.archive.game_links import links_of, merge_linked, replaced_ids, with_linked_ids
from feature_store.archive.interning import ValueInterner, without_zone
from feature_store.archive.origin import Origin
from feature_store.archive.queries import IDS_PER_QUERY
from feature_store.archive.sightings import note_sightings
from feature_store.archive.versions import (
    GAMES,
    QUOTES,
    RESULTS,
    Fact,
    FactKind,
    as_new,
    as_new_without_clock,
    changes,
    without_sightings,
)

ROWS_AT_ONCE: Final = 10_000
LEAGUE_CELL: Final = re.compile("(?:^|,)league=([^,]*)")
"""Where a quarantined row of a CSV file names its league."""


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
    engine: Engine,
    league: League,
    batch: FactBatch,
    *,
    source: str,
    recorded_at: datetime,
    live: bool = False,
    derived: bool = False,
) -> Recorded:
    """Write what the batch adds to the archive, in one transaction.

    A fact that is there with the same ``known_at`` is skipped. One that contradicts a fact of the same
    ``known_at`` is a correction, learned now, so it is known from ``recorded_at`` on. With ``live`` a fact that only
    repeats the newest version adds nothing, except that the look that showed a price is noted; its source must be read
    in order of time. With ``derived`` the source has no clock: each ``known_at`` was derived by a rule
    (docs/decisions/0001) and counts only for the first version of an identity. Every later version with other content
    is a correction.

    A fact whose id or name is faulty (``border``) is quarantined.
    Raises ClockError, with nothing written, if ``recorded_at`` is far ahead of the database's clock: every later fact
    would have to be dated after it.
    """
    batch = admit(batch, source)
    origin = Origin(league.sport, league.key, source, recorded_at)
    rule = as_new_without_clock if derived else partial(as_new, live=live)
    with writing(engine, alone=f"archive {league.key}") as connection:
        check_not_ahead(connection, recorded_at)
        games, corrected_games = _record_facts(connection, GAMES, batch.games, origin, rule)
        results, corrected_results = _record_facts(connection, RESULTS, batch.results, origin, rule)
        quotes, corrected_quotes = _record_facts(connection, QUOTES, batch.quotes, origin, rule)
        note_changes(connection, league.sport, league.key, spans_by_game([*games, *results, *quotes]))
        if live:
            note_sightings(connection, origin, batch.quotes)
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
    connection: Connection,
    kind: FactKind[Fact],
    facts: Sequence[Fact],
    origin: Origin,
    rule: Callable[..., Fact | None],
) -> tuple[list[Fact], int]:
    """Insert the new facts of one kind; returns them, and how many of them changed an earlier fact.

    ``rule`` decides how a fact of which the archive holds earlier versions is stored, if at all.
    """
    held = _versions(connection, kind, facts, origin)
    fresh: list[Fact] = []
    corrected = 0
    for fact in facts:
        versions = held.setdefault(fact[: kind.identity], [])
        new = rule(fact, versions, kind, origin.recorded_at) if versions else fact
        if new is not None:
            corrected += bool(versions) and changes(new, versions, kind)
            versions.append(new)
            fresh.append(new)
    shared = tuple(origin)
    rows = [tuple(each) + shared for each in fresh]
    insert_new_tuples(connection, kind.table, (*kind.fields, *Origin._fields), rows)
    return fresh, corrected


def _versions(
    connection: Connection, kind: FactKind[Fact], facts: Sequence[Fact], origin: Origin
) -> dict[tuple[Any, ...], list[Fact]]:
    """What the archive holds of the same identities."""
    held: dict[tuple[Any, ...], list[Fact]] = {}
    of_league = (kind.table.c.sport == origin.sport) & (kind.table.c.league == origin.league)
    if not connection.scalar(sa.select(sa.exists(sa.select(kind.table.c.sport).where(of_league)))):
        return held
    game_ids: set[str] = set()
    for fact in facts:
        game_ids.add(fact.game_id)
    for stored in _stored(connection, kind, origin.sport, origin.league, game_ids):
        held.setdefault(stored[: kind.identity], []).append(stored)
    return held


def quarantine(engine: Engine, rejected: Iterable[Rejected], recorded_at: datetime) -> None:
    """Keep rejected items, once per place and reason, as their source gave them."""
    with writing(engine, alone="archive quarantine") as connection:
        put_in_quarantine(connection, rejected, recorded_at)


def put_in_quarantine(connection: Connection, rejected: Iterable[Rejected], recorded_at: datetime) -> None:
    """The same as part of a transaction."""
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
    insert_new(connection, tables.quarantine, entries)


def quarantined_quotes(engine: Engine, league: League) -> list[str]:
    """The reason of each quote of the league that is in quarantine.

    The quarantine keeps an item as its source gave it, without our league key: an entry belongs to the league that the
    row of a CSV file names. Entries from the bot's database and from the sample name none and are left out.
    """
    kept = tables.quarantine.c
    names = {name.casefold() for name in league.names}
    with reading(engine) as connection:
        rows = connection.execute(sa.select(kept.reason, kept.content).where(kept.fact == "quote")).all()
    named = ((reason, LEAGUE_CELL.search(content)) for reason, content in rows)
    return [reason for reason, cell in named if cell is not None and cell[1].strip().casefold() in names]


def load(
    engine: Engine,
    league: League,
    known_by: datetime | None = None,
    *,
    recorded_by: datetime | None = None,
    game_ids: set[str] | None = None,
    without_sources: Collection[str] = (),
) -> FactBatch:
    """Every fact of the league that was known by the moment, corrections included, in order of ``known_at``.

    Mere sightings are left out. With ``recorded_by`` only what was written to the archive by then; with
    ``game_ids`` only of those games, with ``without_sources`` none that one of these sources gave. Ids that people have
    linked are one game.
    """

    def read(kind: FactKind[Fact]) -> list[Fact]:
        facts = _stored(connection, kind, league.sport, league.key, wanted, known_by, recorded_by, without_sources)
        return without_sightings(merge_linked(facts, links, kind, replaced), kind)

    with reading(engine) as connection:
        links = links_of(connection, league.sport, league.key, recorded_by)
        wanted = None if game_ids is None else with_linked_ids(game_ids, links)
        of_games = links if wanted is None else {one: other for one, other in links.items() if one in wanted}
        replaced = replaced_ids(connection, league.sport, league.key, of_games, recorded_by) if of_games else set()
        return FactBatch(games=read(GAMES), results=read(RESULTS), quotes=read(QUOTES))


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
    kind: FactKind[Fact],
    sport: str,
    league: str,
    game_ids: set[str] | None = None,
    known_by: datetime | None = None,
    recorded_by: datetime | None = None,
    without_sources: Collection[str] = (),
) -> list[Fact]:
    stored = kind.table.c
    query = (
        sa.select(*(without_zone(stored[name]) for name in kind.fields))
        .where((stored.sport == sport) & (stored.league == league))
        .order_by(stored.known_at, stored.game_id)
    )
    if known_by is not None:
        query = query.where(stored.known_at <= known_by)
    if recorded_by is not None:
        query = query.where(stored.recorded_at <= recorded_by)
    if without_sources:
        query = query.where(stored.source.not_in(sorted(without_sources)))
    columns = ValueInterner(kind.table, kind.fields)
    if game_ids is None:
        partitions = connection.execute(query).partitions(ROWS_AT_ONCE)
        return [kind.make(values) for rows in partitions for values in columns.intern(rows)]
    wanted = sorted(game_ids)
    of_games = (
        query.where(stored.game_id.in_(wanted[start : start + IDS_PER_QUERY]))
        for start in range(0, len(wanted), IDS_PER_QUERY)
    )
    return [kind.make(values) for part in of_games for values in columns.intern(connection.execute(part).all())]

"""How fresh each league's data are, source by source: when the archive last recorded something new.

The moment is ``recorded_at``, when a fact was written: a back-fill of old seasons made today is fresh today.
One query reads the newest entry of every source from the index (sport, league, source, recorded_at) of each
archive table. MariaDB and MySQL jump from source to source in it ("Using index for group-by": a handful of
reads however many facts there are); SQLite scans the index without touching the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.transactions import reading
from feature_store.archive import tables

STALE_AFTER: Final = timedelta(hours=24)
DUE_WITHIN: Final = timedelta(days=7)


class Source(NamedTuple):
    """One source of one league's facts."""

    league: str
    name: str


@dataclass(frozen=True)
class SourceFreshness:
    """When each source last gave something new, and how many games of each league are due in the next week."""

    newest: Mapping[Source, datetime]
    due: Mapping[str, int]

    def stale(self, now: datetime) -> list[str]:
        """Leagues with games due soon of which no source has given anything new for over a day."""
        return [league for league in sorted(self.due) if now - self.newest_of(league) > STALE_AFTER]

    def newest_of(self, league: str) -> datetime:
        """When any source last gave something new of the league."""
        return max(self.sources(league).values())

    def sources(self, league: str) -> dict[str, datetime]:
        """When each source last gave something new of the league, by the source's name."""
        return {source.name: moment for source, moment in sorted(self.newest.items()) if source.league == league}


def newest_facts(engine: Engine) -> dict[Source, datetime]:
    """When each source of each league last added a fact: one query. Raises DatabaseError."""
    by_table = [
        sa.select(
            table.c.league,
            table.c.source,
            sa.func.max(table.c.recorded_at, type_=table.c.recorded_at.type).label("newest"),
        ).group_by(table.c.sport, table.c.league, table.c.source)
        for table in (tables.games, tables.results, tables.quotes)
    ]
    newest: dict[Source, datetime] = {}
    with reading(engine) as connection:
        for league, name, moment in connection.execute(sa.union_all(*by_table)):
            source = Source(league, name)
            newest[source] = max(moment, newest.get(source, moment))
    return newest


def freshness(engine: Engine, leagues: Sequence[tuple[str, str]], now: datetime) -> SourceFreshness:
    """The freshness of every source, and the games due of the leagues, given by sport and key. Raises DatabaseError."""
    return SourceFreshness(newest_facts(engine), games_due(engine, leagues, now))


def games_due(engine: Engine, leagues: Sequence[tuple[str, str]], now: datetime) -> dict[str, int]:
    """How many games of each league, by what is known now, start within a week; a league with none is left out."""
    counts = {}
    with reading(engine) as connection:
        for sport, league in leagues:
            rows = connection.execute(_ever_due(sport, league, now)).tuples()
            latest = {game_id: (start_at, status) for game_id, start_at, status in rows}
            counts[league] = sum(
                now <= start_at <= now + DUE_WITHIN and status != "void" for start_at, status in latest.values()
            )
    return {league: count for league, count in counts.items() if count}


def _ever_due(sport: str, league: str, now: datetime) -> sa.Select[tuple[str, datetime, str]]:
    """Every version of the games that were ever to start within the week, in order of ``known_at``."""
    games, versions = tables.games, tables.games.alias()
    due = sa.select(versions.c.game_id).where(
        versions.c.sport == sport, versions.c.league == league, versions.c.start_at.between(now, now + DUE_WITHIN)
    )
    return (
        sa.select(games.c.game_id, games.c.start_at, games.c.status)
        .where(games.c.sport == sport, games.c.league == league, games.c.game_id.in_(due), games.c.known_at <= now)
        .order_by(games.c.known_at)
    )

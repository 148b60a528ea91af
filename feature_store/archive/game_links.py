"""Which ids stand for one game: decided by people, applied when facts are read; the facts themselves stay as they are.

Each source has its own ids, so a game that two of them list is two games until a person links their ids
(``identity.linking``). From then on the facts of one id are read under the other, at every moment of the past too: to
which game a fact belongs is not news of that game. Where the two were never listed for the same time and the same home
side, the first was listed wrongly, and its facts are left out (docs/decisions/0056). Decisions are kept like facts,
each a further row, so that the data of an earlier training can still be read.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.betting.leagues import League
from core.database.upserts import insert_new
from feature_store.archive import tables
from feature_store.archive.versions import INSTANT, Fact, FactKind

Links = Mapping[str, str]
"""The id under which a game's facts are read, by the id that a source gave it."""

SAME_TIME: Final = timedelta(hours=16)
"""Listings of one game start within it: half a day for time zones, the rest for bare dates, which mean 16:00 UTC."""
IDS_PER_QUERY: Final = 1_000


class _Version(NamedTuple):
    start_at: datetime
    home_team: str
    away_team: str


def links_of(connection: Connection, sport: str, league: str, recorded_by: datetime | None = None) -> Links:
    """The league's links in force, now or at a moment."""
    links = tables.game_links.c
    query = (
        sa.select(links.game_id, links.same_as)
        .where(links.sport == sport, links.league == league)
        .order_by(links.recorded_at)
    )
    if recorded_by is not None:
        query = query.where(links.recorded_at <= recorded_by)
    latest = dict(connection.execute(query).tuples().all())
    return {game_id: same_as for game_id, same_as in latest.items() if same_as is not None}


def record_link(
    connection: Connection, league: League, game_id: str, same_as: str | None, *, source: str, now: datetime
) -> None:
    """Add a decision, later than those before it, that the facts of ``game_id`` are those of ``same_as``.

    None for ``same_as`` takes the link back.
    """
    held = tables.game_links.c
    before = connection.scalar(
        sa.select(sa.func.max(held.recorded_at, type_=held.recorded_at.type)).where(
            held.sport == league.sport, held.league == league.key, held.game_id == game_id
        )
    )
    row = {
        "sport": league.sport,
        "league": league.key,
        "game_id": game_id,
        "recorded_at": now if before is None else max(now, before + INSTANT),
        "same_as": same_as,
        "source": source,
    }
    insert_new(connection, tables.game_links, [row])


def with_linked_ids(game_ids: Iterable[str], links: Links) -> set[str]:
    """The ids, and all others that stand for the same games."""
    wanted = {links.get(game_id, game_id) for game_id in game_ids}
    return wanted | {game_id for game_id, same_as in links.items() if same_as in wanted}


def replaced_ids(
    connection: Connection, sport: str, league: str, links: Links, recorded_by: datetime | None = None
) -> set[str]:
    """The linked ids that were never listed for the time and the home side of the game that they are linked to."""
    versions = _versions(connection, sport, league, {*links, *links.values()}, recorded_by)
    return {
        game_id
        for game_id, same_as in links.items()
        if not any(_agree(one, other) for one in versions[game_id] for other in versions[same_as])
    }


def _versions(
    connection: Connection, sport: str, league: str, game_ids: Collection[str], recorded_by: datetime | None
) -> Mapping[str, list[_Version]]:
    games, found, wanted = tables.games.c, defaultdict[str, list[_Version]](list), sorted(game_ids)
    for start in range(0, len(wanted), IDS_PER_QUERY):
        query = sa.select(games.game_id, *(games[name] for name in _Version._fields)).where(
            games.sport == sport, games.league == league, games.game_id.in_(wanted[start : start + IDS_PER_QUERY])
        )
        if recorded_by is not None:
            query = query.where(games.recorded_at <= recorded_by)
        for game_id, *version in connection.execute(query):
            found[game_id].append(_Version._make(version))
    return found


def _agree(one: _Version, other: _Version) -> bool:
    turned = one.home_team == other.away_team or one.away_team == other.home_team
    return not turned and abs(one.start_at - other.start_at) <= SAME_TIME


def merge_linked(
    facts: list[Fact], links: Links, kind: FactKind[Fact], replaced: Collection[str] = frozenset()
) -> list[Fact]:
    """The facts of linked ids as facts of the games that they are linked to, in order of ``known_at``.

    Where both ids have one of the same moment, the game's own counts. Facts of ``replaced`` ids are left out.
    """
    if not links:
        return facts
    kept = set(links.values())
    taken = {(fact[: kind.identity], fact.known_at) for fact in facts if fact.game_id in kept}
    merged = [fact for fact in facts if fact.game_id not in links]
    for fact in facts:
        if fact.game_id in links and fact.game_id not in replaced:
            fact = fact._replace(game_id=links[fact.game_id])  # noqa: PLW2901 - the same fact under its other name
            key = (fact[: kind.identity], fact.known_at)
            if key not in taken:
                taken.add(key)
                merged.append(fact)
    return sorted(merged, key=lambda fact: fact.known_at)

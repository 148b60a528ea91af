"""Which ids stand for one game: decided by rule or by people, applied when facts are read; no fact is changed.

Each source has its own ids, so a game that two of them list is two games until their ids are linked, by the matching
rule (``identity.matched_games``) or by a person (``identity.linking``). From then on the facts of one id are read under
the other, at every moment of the past too: to which game a fact belongs is not news of that game. Where the two were
never listed for the same time and the same home side, the first was listed wrongly, and its facts are left out
(docs/decisions/0056). The clubs of a linked game have the names that the game it is linked to gives them. Decisions are
kept like facts, each a further row, so that the data of an earlier training can still be read.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.betting.leagues import League
from core.database.upserts import insert_new
from feature_store.archive import tables
from feature_store.archive.facts import GameFact
from feature_store.archive.versions import INSTANT, Fact, FactKind


class Links(dict[str, str]):
    """The id under which a game's facts are read, by the id that a source gave it."""

    @cached_property
    def linked_to(self) -> Mapping[str, Sequence[str]]:
        """The ids that are linked to each id."""
        ids = defaultdict[str, list[str]](list)
        for game_id, same_as in self.items():
            ids[same_as].append(game_id)
        return dict(ids)


SAME_TIME: Final = timedelta(hours=16)
"""Listings of one game start within it: half a day for time zones, the rest for bare dates, which mean 16:00 UTC."""
IDS_PER_QUERY: Final = 1_000


class LinkDecision(NamedTuple):
    """That the facts of ``game_id`` are those of ``same_as``, or of no other game; who decided it, and how surely."""

    game_id: str
    same_as: str | None
    source: str
    not_same_as: str | None = None
    score: float | None = None
    rule: str | None = None


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
    return Links({game_id: same_as for game_id, same_as in latest.items() if same_as is not None})


def separated_games(connection: Connection, league: League) -> set[frozenset[str]]:
    """Pairs of ids that people have decided are two games: links taken back, and pairs that were kept apart."""
    links = tables.game_links.c
    query = (
        sa.select(links.game_id, links.same_as, links.not_same_as)
        .where(links.sport == league.sport, links.league == league.key)
        .order_by(links.game_id, links.recorded_at)
    )
    apart: set[frozenset[str]] = set()
    before: tuple[str, str | None] = ("", None)
    for game_id, same_as, not_same_as in connection.execute(query):
        if not_same_as is not None:
            apart.add(frozenset((game_id, not_same_as)))
        elif same_as is None and before[0] == game_id and before[1] is not None:
            apart.add(frozenset((game_id, before[1])))
        before = (game_id, same_as)
    return apart


def record_decisions(
    connection: Connection, league: League, decisions: Sequence[LinkDecision], *, now: datetime
) -> None:
    """Add decisions about different ids, each later than those before it about the same id."""
    held = tables.game_links.c
    before: dict[str, datetime] = {}
    for start in range(0, len(decisions), IDS_PER_QUERY):
        ids = [decision.game_id for decision in decisions[start : start + IDS_PER_QUERY]]
        newest = (
            sa.select(held.game_id, sa.func.max(held.recorded_at, type_=held.recorded_at.type))
            .where(held.sport == league.sport, held.league == league.key, held.game_id.in_(ids))
            .group_by(held.game_id)
        )
        before |= dict(connection.execute(newest).tuples().all())
    rows = [
        {
            "sport": league.sport,
            "league": league.key,
            "recorded_at": max(now, before[one.game_id] + INSTANT) if one.game_id in before else now,
            **one._asdict(),
        }
        for one in decisions
    ]
    insert_new(connection, tables.game_links, rows)


def with_linked_ids(game_ids: Iterable[str], links: Links) -> set[str]:
    """The ids, and all others that stand for the same games."""
    wanted = {links.get(game_id, game_id) for game_id in game_ids}
    return wanted.union(*(links.linked_to.get(game_id, ()) for game_id in wanted))


def replaced_ids(
    connection: Connection, sport: str, league: str, links: Mapping[str, str], recorded_by: datetime | None = None
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
    kept = links.linked_to
    taken = {(fact[: kind.identity], fact.known_at) for fact in facts if fact.game_id in kept}
    names = _names_by_moment(fact for fact in facts if fact.game_id in kept)
    merged = [fact for fact in facts if fact.game_id not in links]
    for fact in facts:
        if fact.game_id in links and fact.game_id not in replaced:
            fact = _as_listed(fact, links[fact.game_id], names)  # noqa: PLW2901 - the same fact under its other name
            key = (fact[: kind.identity], fact.known_at)
            if key not in taken:
                taken.add(key)
                merged.append(fact)
    return sorted(merged, key=lambda fact: fact.known_at)


def _names_by_moment(facts: Iterable[Fact]) -> Mapping[str, list[tuple[datetime, str, str]]]:
    """The names of both clubs, from each moment at which a version of the game was known, by game id."""
    names = defaultdict[str, list[tuple[datetime, str, str]]](list)
    for fact in facts:
        if isinstance(fact, GameFact):
            names[fact.game_id].append((fact.known_at, fact.home_team, fact.away_team))
    return names


def _as_listed(fact: Fact, game_id: str, names: Mapping[str, list[tuple[datetime, str, str]]]) -> Fact:
    """The fact under another id, its clubs named as in the version of that game known at the moment, or the first.

    They keep their own names where the fact has exchanged the sides.
    """
    fact = fact._replace(game_id=game_id)
    if not isinstance(fact, GameFact) or game_id not in names:
        return fact
    place = bisect_right(names[game_id], fact.known_at, key=lambda version: version[0])
    _, home, away = names[game_id][max(0, place - 1)]
    exchanged = (fact.home_team, fact.away_team) == (away, home)
    return fact if exchanged else fact._replace(home_team=home, away_team=away)

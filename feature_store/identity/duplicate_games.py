"""Games that stand in the archive twice, under the ids of two sources: found when read, never merged unasked.

Twins have the same two clubs, the same home side and the same local day, and no source tells both. What to do about
them a person decides (``linking``); until then nothing is trained on results that count twice.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.database import reading
from feature_store.archive.game_links import links_of
from feature_store.archive.queries import game_sources, listings
from feature_store.identity.team_aliases import load_aliases
from feature_store.quality.checks import Flag

BOT: Final = "bot"
SAME_START: Final = timedelta(hours=12)
"""Two sources may differ by a time zone; no club plays twice within it,"""
SAME_START_IN_BASEBALL: Final = timedelta(hours=3)
"""but in baseball, where it may after three."""
NEAR: Final = timedelta(hours=30)
"""More than a bare date, which stands for 16:00 UTC, can be away from any start on that day."""

AMERICAN: Final = frozenset(
    {"NFL", "NCAA", "CFL", "NBA", "WNBA", "MLB", "NHL", "MLS", "BRAZIL_SERIE_A", "UFC", "BELLATOR"}
)
AMERICAN_DAY: Final = ZoneInfo("America/Los_Angeles")
"""Where an evening game from Brazil to Seattle is still on its own date, and a morning one already."""


class Twin(NamedTuple):
    """Two ids that are likely one game; ``same_as`` is the bot's own, where it has one."""

    league: str
    game_id: str
    same_as: str
    season: int
    home_team: str
    away_team: str
    start_at: datetime
    sources: str


class _Told(NamedTuple):
    game_id: str
    season: int
    start_at: datetime
    date_only: bool
    home_team: str
    away_team: str
    void: bool
    sources: frozenset[str]


def twins(engine: Engine, league: League, known_by: datetime, since: datetime | None = None) -> list[Twin]:
    """The league's pairs that nobody has linked, by start; with ``since`` only of games that start then or later."""
    if len({_origin(league, source) for source in game_sources(engine, league)}) < 2:
        return []
    return sorted(
        _pairs(league, _told(engine, league, known_by, since)), key=lambda twin: (twin.start_at, twin.game_id)
    )


def told_twice(league: League, found: Iterable[Twin], game_ids: Collection[str]) -> list[Flag]:
    """A refusal per season in which games, of those named by their ids, count twice."""
    by_season: dict[int, list[Twin]] = defaultdict(list)
    for twin in found:
        if twin.game_id in game_ids and twin.same_as in game_ids:
            by_season[twin.season].append(twin)
    return [
        Flag("refusal", league.key, season, "told_twice", "games under two ids (`dbsbm games suggest`)", _numbers(own))
        for season, own in sorted(by_season.items())
    ]


def _numbers(own: list[Twin]) -> str:
    first = f"{own[0].game_id} and {own[0].same_as}"
    return first if len(own) == 1 else f"{first}, and {len(own) - 1} more"


def _told(engine: Engine, league: League, known_by: datetime, since: datetime | None) -> list[_Told]:
    """Each game that stands for itself, as last known, with every source that has listed it."""
    aliases, latest = load_aliases(engine), dict[str, _Told]()
    with reading(engine) as connection:
        links = links_of(connection, league.sport, league.key)
        for game_id, season, start_at, date_only, home, away, status, source in listings(
            connection, league, known_by, since
        ):
            if game_id not in links:
                before = latest.get(game_id)
                sources = frozenset({_origin(league, source)}) | (before.sources if before else frozenset())
                clubs = aliases.team(league, home), aliases.team(league, away)
                latest[game_id] = _Told(game_id, season, start_at, date_only, *clubs, status == "void", sources)
    return [game for game in latest.values() if not game.void]


def _origin(league: League, source: str) -> str:
    """Who tells of a game; the files of one archive are one source where a day may hold two games of the same clubs."""
    return source.partition(":")[0] if league.sport == "baseball" else source


def _pairs(league: League, games: Iterable[_Told]) -> Iterator[Twin]:
    """Each game with the nearest that may be the same one, every game in one pair at most."""
    meetings: dict[tuple[str, str], list[_Told]] = defaultdict(list)
    for game in games:
        meetings[game.home_team, game.away_team].append(game)
    for own in meetings.values():
        own.sort(key=lambda game: (game.start_at, game.game_id))
        near = [pair for pair in _near(own) if _may_be_one(league, *pair)]
        paired: set[str] = set()
        for one, other in sorted(near, key=lambda pair: pair[1].start_at - pair[0].start_at):
            if one.game_id not in paired and other.game_id not in paired:
                paired |= {one.game_id, other.game_id}
                yield _twin(league, one, other)


def _near(games: list[_Told]) -> Iterator[tuple[_Told, _Told]]:
    """Every two of the games, which are in order of start, that are not days apart."""
    for place, one in enumerate(games):
        for other in games[place + 1 :]:
            if other.start_at - one.start_at > NEAR:
                break
            yield one, other


def _may_be_one(league: League, one: _Told, other: _Told) -> bool:
    if one.sources & other.sources:
        return False
    if one.date_only or other.date_only:
        return _local_day(league, one) == _local_day(league, other)
    return other.start_at - one.start_at < (SAME_START_IN_BASEBALL if league.sport == "baseball" else SAME_START)


def _local_day(league: League, game: _Told) -> date:
    zoned = not game.date_only and league.key in AMERICAN
    return game.start_at.astimezone(AMERICAN_DAY).date() if zoned else game.start_at.date()


def _twin(league: League, one: _Told, other: _Told) -> Twin:
    linked, kept = sorted((one, other), key=lambda game: (BOT in game.sources, game.start_at, game.game_id))
    sources = f"{', '.join(sorted(linked.sources))} / {', '.join(sorted(kept.sources))}"
    return Twin(
        league.key, linked.game_id, kept.game_id, kept.season, kept.home_team, kept.away_team, kept.start_at, sources
    )

"""Games that are in the archive twice, under the ids of two sources: found when read, never merged automatically.

Two duplicates have the same clubs, the same home side and the same local day, and no source lists both. A person
decides about them (``linking``); until then no model is trained on results that count twice.
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
"""Start times of two sources may differ by a time zone; no club plays twice within it, except in baseball."""
SAME_START_IN_BASEBALL: Final = timedelta(hours=3)
"""In baseball a club may play again after three hours."""
MOST_APART: Final = timedelta(hours=30)
"""Duplicates start within it: a bare date, which means 16:00 UTC, is never further from a start on that day."""

AMERICAN: Final = frozenset(
    {"NFL", "NCAA", "CFL", "NBA", "WNBA", "MLB", "NHL", "MLS", "BRAZIL_SERIE_A", "UFC", "BELLATOR"}
)
AMERICAN_DAY: Final = ZoneInfo("America/Los_Angeles")
"""A zone in which morning and evening games from Brazil to Seattle are on their local date."""


class DuplicatePair(NamedTuple):
    """Two ids that are likely one game; ``same_as`` is the bot's own, where it has one."""

    league: str
    game_id: str
    same_as: str
    season: int
    home_team: str
    away_team: str
    start_at: datetime
    sources: str


class _ListedGame(NamedTuple):
    game_id: str
    season: int
    start_at: datetime
    date_only: bool
    home_team: str
    away_team: str
    void: bool
    sources: frozenset[str]


def find_duplicates(
    engine: Engine, league: League, known_by: datetime, since: datetime | None = None
) -> list[DuplicatePair]:
    """The league's pairs that are not linked, by start; with ``since`` only of games that start then or later."""
    if len({_origin(league, source) for source in game_sources(engine, league)}) < 2:
        return []
    return sorted(
        _pairs(league, _listed_games(engine, league, known_by, since)), key=lambda pair: (pair.start_at, pair.game_id)
    )


def flag_duplicates(league: League, pairs: Iterable[DuplicatePair], game_ids: Collection[str]) -> list[Flag]:
    """A refusal per season in which games, of those named by their ids, count twice."""
    by_season: dict[int, list[DuplicatePair]] = defaultdict(list)
    for pair in pairs:
        if pair.game_id in game_ids and pair.same_as in game_ids:
            by_season[pair.season].append(pair)
    return [
        Flag("refusal", league.key, season, "told_twice", "games under two ids (`dbsbm games suggest`)", _numbers(own))
        for season, own in sorted(by_season.items())
    ]


def _numbers(own: list[DuplicatePair]) -> str:
    first = f"{own[0].game_id} and {own[0].same_as}"
    return first if len(own) == 1 else f"{first}, and {len(own) - 1} more"


def _listed_games(engine: Engine, league: League, known_by: datetime, since: datetime | None) -> list[_ListedGame]:
    """Each game that stands for itself, as last known, with every source that has listed it."""
    aliases, latest = load_aliases(engine), dict[str, _ListedGame]()
    with reading(engine) as connection:
        links = links_of(connection, league.sport, league.key)
        for game_id, season, start_at, date_only, home, away, status, source in listings(
            connection, league, known_by, since
        ):
            if game_id not in links:
                before = latest.get(game_id)
                sources = frozenset({_origin(league, source)}) | (before.sources if before else frozenset())
                clubs = aliases.team(league, home), aliases.team(league, away)
                latest[game_id] = _ListedGame(game_id, season, start_at, date_only, *clubs, status == "void", sources)
    return [game for game in latest.values() if not game.void]


def _origin(league: League, source: str) -> str:
    """The source of a game; all CSV files count as one in baseball, where two clubs may play twice a day."""
    return source.partition(":")[0] if league.sport == "baseball" else source


def _pairs(league: League, games: Iterable[_ListedGame]) -> Iterator[DuplicatePair]:
    """Each game with the nearest one that may be the same, every game in one pair at most."""
    meetings: dict[tuple[str, str], list[_ListedGame]] = defaultdict(list)
    for game in games:
        meetings[game.home_team, game.away_team].append(game)
    for own in meetings.values():
        own.sort(key=lambda game: (game.start_at, game.game_id))
        near = [pair for pair in _close_pairs(own) if _may_be_one(league, *pair)]
        paired: set[str] = set()
        for one, other in sorted(near, key=lambda pair: pair[1].start_at - pair[0].start_at):
            if one.game_id not in paired and other.game_id not in paired:
                paired |= {one.game_id, other.game_id}
                yield _pair(league, one, other)


def _close_pairs(games: list[_ListedGame]) -> Iterator[tuple[_ListedGame, _ListedGame]]:
    """Every two of the games, which are in order of start, that are not days apart."""
    for place, one in enumerate(games):
        for other in games[place + 1 :]:
            if other.start_at - one.start_at > MOST_APART:
                break
            yield one, other


def _may_be_one(league: League, one: _ListedGame, other: _ListedGame) -> bool:
    if one.sources & other.sources:
        return False
    if one.date_only or other.date_only:
        return _local_day(league, one) == _local_day(league, other)
    return other.start_at - one.start_at < (SAME_START_IN_BASEBALL if league.sport == "baseball" else SAME_START)


def _local_day(league: League, game: _ListedGame) -> date:
    zoned = not game.date_only and league.key in AMERICAN
    return game.start_at.astimezone(AMERICAN_DAY).date() if zoned else game.start_at.date()


def _pair(league: League, one: _ListedGame, other: _ListedGame) -> DuplicatePair:
    linked, kept = sorted((one, other), key=lambda game: (BOT in game.sources, game.start_at, game.game_id))
    sources = f"{', '.join(sorted(linked.sources))} / {', '.join(sorted(kept.sources))}"
    return DuplicatePair(
        league.key, linked.game_id, kept.game_id, kept.season, kept.home_team, kept.away_team, kept.start_at, sources
    )

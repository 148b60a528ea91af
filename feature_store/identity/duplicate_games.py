"""Games that are in the archive twice, under two ids and the same names: found when read, over the whole past.

What two sources list now is linked by rule (``matched_games``); here is what that leaves, and everything older.
Either two sources list them, with the same clubs, the same home side and the same local day, and no source lists both;
or a later list has corrected the date or the home side (``moved_games``). A person decides about them (``linking``);
until then no model is trained on results that count twice.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.database.transactions import reading
from feature_store.archive.game_links import separated_games
from feature_store.identity.listed_games import ListedGame, list_games
from feature_store.identity.moved_games import find_moved
from feature_store.quality.flag import Flag

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


def find_duplicates(
    engine: Engine, league: League, known_by: datetime, since: datetime | None = None
) -> list[DuplicatePair]:
    """The league's pairs that are neither linked nor kept apart by a person, by start.

    With ``since`` only of games that start then or later.
    """
    games = list_games(engine, league, known_by, since)
    with reading(engine) as connection:
        apart = separated_games(connection, league)
    paired: set[str] = set()
    found = []
    for one, other in chain(_listed_by_two(league, games), find_moved(league, games)):
        if paired.isdisjoint((one.game_id, other.game_id)) and frozenset((one.game_id, other.game_id)) not in apart:
            paired |= {one.game_id, other.game_id}
            found.append(_pair(league, one, other))
    return sorted(found, key=lambda pair: (pair.start_at, pair.game_id))


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


def _origins(league: League, game: ListedGame) -> set[str]:
    """The sources of a game; all CSV files count as one in baseball, where two clubs may play twice a day."""
    return {source.partition(":")[0] if league.sport == "baseball" else source for source in game.sources}


def _listed_by_two(league: League, games: Iterable[ListedGame]) -> Iterator[tuple[ListedGame, ListedGame]]:
    """Pairs of games of two sources that may be the same, the nearest first; a game may be in several."""
    meetings: dict[tuple[str, str], list[ListedGame]] = defaultdict(list)
    for game in games:
        meetings[game.home_team, game.away_team].append(game)
    for own in meetings.values():
        own.sort(key=lambda game: (game.start_at, game.game_id))
        near = [pair for pair in _close_pairs(own) if _may_be_one(league, *pair)]
        yield from sorted(near, key=lambda pair: pair[1].start_at - pair[0].start_at)


def _close_pairs(games: list[ListedGame]) -> Iterator[tuple[ListedGame, ListedGame]]:
    """Every two of the games, which are in order of start, that are not days apart."""
    for place, one in enumerate(games):
        for other in games[place + 1 :]:
            if other.start_at - one.start_at > MOST_APART:
                break
            yield one, other


def _may_be_one(league: League, one: ListedGame, other: ListedGame) -> bool:
    if _origins(league, one) & _origins(league, other):
        return False
    if one.date_only or other.date_only:
        return local_day(league, one) == local_day(league, other)
    return other.start_at - one.start_at < (SAME_START_IN_BASEBALL if league.sport == "baseball" else SAME_START)


def local_day(league: League, game: ListedGame) -> date:
    """The day of the game where it is played, as nearly as its start and its league show it."""
    zoned = not game.date_only and league.key in AMERICAN
    return game.start_at.astimezone(AMERICAN_DAY).date() if zoned else game.start_at.date()


def _pair(league: League, one: ListedGame, other: ListedGame) -> DuplicatePair:
    """The pair with the game to keep: the bot's, else one that was played, else the one recorded last."""
    linked, kept = sorted(
        (one, other),
        key=lambda game: (BOT in game.sources, game.score is not None, game.recorded_at, game.start_at, game.game_id),
    )
    sources = f"{', '.join(sorted(linked.sources))} / {', '.join(sorted(kept.sources))}"
    return DuplicatePair(
        league.key, linked.game_id, kept.game_id, kept.season, kept.home_team, kept.away_team, kept.start_at, sources
    )

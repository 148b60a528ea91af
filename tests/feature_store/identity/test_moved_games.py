"""A game whose date or home side was corrected is found under both ids, and after a link only the correction counts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from string import ascii_letters

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, League, Leagues
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact, Result
from feature_store.features.sets import EVERYTHING
from feature_store.identity.dropped_ids import Moved, find_dropped
from feature_store.identity.duplicate_games import find_duplicates
from feature_store.identity.linking import link_games, unlink_game
from feature_store.identity.listed_games import ListedGame
from feature_store.identity.moved_games import find_moved
from feature_store.rows.replay import past_rows
from feature_store.sources.csv.reader import read_csv
from tests.conftest import NOW

LEAGUES = Leagues(BUILT_IN)
EPL, NHL, MLB, NBA = (LEAGUES.get(key) for key in ("EPL", "NHL", "MLB", "NBA"))
START = datetime(2024, 3, 10, 16, tzinfo=UTC)
DAY = timedelta(days=1)


def listed(game_id: str, start: datetime = START, **changes: object) -> ListedGame:
    usual = ListedGame(game_id, 2023, start, True, "Arsenal", "Everton", False, start, frozenset({"csv:a.csv"}), (2, 1))
    return usual._replace(**changes)  # type: ignore[arg-type]


def ids(league: League, *games: ListedGame) -> set[frozenset[str]]:
    return {frozenset((one.game_id, other.game_id)) for one, other in find_moved(league, games)}


@pytest.mark.parametrize(
    "changes",
    [
        {"start_at": START + DAY},
        {"start_at": START - 25 * DAY},
        {"start_at": START + 11 * DAY, "score": None},
        {"home_team": "Everton", "away_team": "Arsenal", "score": (1, 2)},
        {"home_team": "Everton", "away_team": "Arsenal", "start_at": START + 2 * DAY},
    ],
)
def test_a_corrected_date_or_home_side_makes_a_pair(changes: dict[str, object]) -> None:
    assert ids(EPL, listed("old"), listed("new", **changes)) == {frozenset({"old", "new"})}


@pytest.mark.parametrize(
    "changes",
    [
        {"start_at": START + DAY, "score": (0, 0)},
        {"start_at": START + 60 * DAY},
        {"away_team": "Leeds"},
        {"home_team": "Everton", "away_team": "Arsenal", "start_at": START + 9 * DAY, "score": (1, 2)},
        {"home_team": "Everton", "away_team": "Arsenal", "start_at": START + 3 * DAY, "score": None},
        {"start_at": START + 7 * DAY, "score": None, "playoff": True},
    ],
)
def test_another_score_another_month_and_a_second_leg_are_other_games(changes: dict[str, object]) -> None:
    assert ids(EPL, listed("old"), listed("new", **changes)) == set()


def series(random: Random, draw: Callable[[], int]) -> list[ListedGame]:
    """Clubs that meet three times within as many days."""
    games = []
    for number in range(100):
        home, away = random.sample(ascii_letters, 2)
        for day in range(3):
            start = START + (4 * number + day) * DAY
            games.append(listed(f"{number}-{day}", start, home_team=home, away_team=away, score=(draw(), draw())))
    return games


def test_where_clubs_meet_in_series_a_score_counts_only_if_few_games_share_it() -> None:
    random = Random(1)
    low, high = series(random, lambda: random.randint(0, 6)), series(random, lambda: random.randint(80, 130))
    for games, found in ((low, set()), (high, {frozenset({"7-1", "new"})})):
        assert ids(NHL, *games) == set()
        (one,) = (game for game in games if game.game_id == "7-1")
        assert ids(NHL, *games, one._replace(game_id="new", start_at=one.start_at + 10 * timedelta(hours=1))) == found
    doubled = [one._replace(game_id=f"{one.game_id} new", start_at=one.start_at + timedelta(hours=3)) for one in low]
    assert {frozenset({one.game_id, f"{one.game_id} new"}) for one in low} <= ids(NHL, *low, *doubled)


def test_two_games_of_one_day_in_a_small_archive_of_baseball_are_two() -> None:
    assert ids(MLB, listed("first"), listed("second", START + timedelta(hours=4))) == set()


@pytest.mark.parametrize("key", ["EPL", "BUNDESLIGA", "NFL", "NBA", "NHL", "MLB"])
def test_no_two_real_games_are_taken_for_one(key: str, development_data: Path) -> None:
    league = LEAGUES.get(key)
    facts = read_csv(development_data / f"{key}.csv.gz", LEAGUES).batches[league]
    scores = {one.game_id: (one.home_score or 0, one.away_score or 0) for one in facts.results}
    games = [
        ListedGame(one.game_id, one.season, one.start_at, one.date_only, one.home_team, one.away_team, one.playoff,
                   one.known_at, frozenset({"csv"}), scores.get(one.game_id)) for one in facts.games
    ]  # fmt: skip
    assert list(find_moved(league, games)) == []
    last = max(one.season for one in games)
    newest = [one for one in games if one.season == last]
    half = newest[len(newest) // 2].start_at
    assert list(find_moved(league, [one if one.start_at < half else one._replace(score=None) for one in newest])) == []


def fact(game_id: str, start: datetime, home: str = "Arsenal", away: str = "Everton") -> GameFact:
    return GameFact(game_id, start - 14 * DAY, 2023, start, True, home, away, False, False, "final")


def record(engine: Engine, source: str, game: GameFact, score: tuple[int, int], at: datetime = NOW) -> None:
    ended = game.start_at + timedelta(hours=18)
    batch = FactBatch([game], [Result(game.game_id, ended, ended, *score)])
    archive.record(engine, EPL, batch, source=source, recorded_at=at)


@pytest.mark.parametrize("moved", [-1, 1, 9])
@pytest.mark.parametrize("turned", [False, True])
def test_after_a_link_the_corrected_listing_alone_counts(moved: int, turned: bool, sqlite_database: Engine) -> None:
    record(sqlite_database, "csv:old.csv", fact("old", START), (2, 1))
    home, away = ("Everton", "Arsenal") if turned else ("Arsenal", "Everton")
    new = fact("new", START + (moved if not turned else min(moved, 5)) * DAY, home, away)
    record(sqlite_database, "csv:new.csv", new, (1, 2) if turned else (2, 1), NOW + DAY)
    only = archive.load(sqlite_database, EPL, game_ids={"new"})
    (pair,) = find_duplicates(sqlite_database, EPL, NOW + DAY)
    assert (pair.game_id, pair.same_as) == ("old", "new")

    assert link_games(sqlite_database, EPL, "old", "new", source="test", now=NOW + 2 * DAY)
    assert archive.load(sqlite_database, EPL) == only
    assert archive.load(sqlite_database, EPL, game_ids={"old"}) == only
    assert find_duplicates(sqlite_database, EPL, NOW + DAY) == []
    first, alone = (list(past_rows(EPL, facts, EVERYTHING)) for facts in (archive.load(sqlite_database, EPL), only))
    assert repr(first) == repr(alone)
    unlink_game(sqlite_database, EPL, "old", source="test", now=NOW + 3 * DAY)
    assert len(archive.load(sqlite_database, EPL).games) == 2


def test_a_game_linked_before_its_start_moved_keeps_the_facts_of_both_ids(sqlite_database: Engine) -> None:
    record(sqlite_database, "csv:a.csv", fact("csv", START), (2, 1))
    archive.record(sqlite_database, EPL, FactBatch([fact("7", START)]), source="bot", recorded_at=NOW)
    link_games(sqlite_database, EPL, "csv", "7", source="test", now=NOW)
    moved = fact("7", START + 5 * DAY)._replace(known_at=NOW)
    archive.record(sqlite_database, EPL, FactBatch([moved]), source="bot", recorded_at=NOW)
    assert [one.home_score for one in archive.load(sqlite_database, EPL).results] == [2]


def test_an_id_that_a_newer_edition_lacks_is_paired_with_its_new_one_in_every_sport() -> None:
    games = [fact(f"g{day}", START + day * DAY, "A", "B") for day in range(6)]
    newer = [*games[:3], fact("new", START + 3.5 * DAY, "A", "B"), *games[4:]]
    assert find_dropped(newer, games) == [Moved("g3", "new")]
    assert find_dropped(games, games) == find_dropped([], games) == find_dropped(games, []) == []
    assert find_dropped(games[:3], games) == []
    turned = [*games[:3], fact("new", START + 3 * DAY, "B", "A"), *games[4:]]
    assert find_dropped(turned, games) == [Moved("g3", "new")]
    other_ids = [one._replace(game_id=f"other {one.game_id}") for one in games]
    assert find_dropped(other_ids, games) == []
    assert find_dropped([*games[:3], fact("new", START + 3 * DAY, "A", "C"), *games[4:]], games) == []

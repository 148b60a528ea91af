"""A season that no source states is the right one: whole, however late it ends, and named by the year it began in."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.betting.leagues import BUILT_IN, League, Leagues
from feature_store.archive.facts import GameFact
from feature_store.sources.csv.reader import read_csv
from feature_store.sources.seasons import SHORTEST_SCHEDULE, UNSTATED, complete_seasons

LEAGUES = Leagues(BUILT_IN)
UNKNOWN = League(key="OTHER", sport="soccer", outcomes=3, ties="draw")
Span = tuple[str, str]


def game(number: int, start: datetime, home: str, away: str, season: int) -> GameFact:
    return GameFact(f"{number}", start, season, start, False, home, away, False, False, "final")


def round_robin(season: int, *spans: Span, clubs: int = 12, seed: int = 0) -> list[GameFact]:
    """A season of a league in which every club plays every other at home, its games spread over the spans of days.

    One club in six is replaced from season to season.
    """
    names = [f"club {season * (clubs // 6) + number}" for number in range(clubs)]
    first = [pair for pair in permutations(names, 2) if pair[0] < pair[1]]
    random = Random(seed + season)
    random.shuffle(first)
    halves = [pair if random.random() < 0.5 else pair[::-1] for pair in first]
    meetings = [*halves, *((away, home) for home, away in halves)]
    days = [day for span in spans for day in days_of(*span)]
    return [
        game(10_000 * season + place, days[place * len(days) // len(meetings)], *pair, season)
        for place, pair in enumerate(meetings)
    ]


def days_of(first: str, last: str) -> Iterator[datetime]:
    day = datetime.fromisoformat(first).replace(hour=16, tzinfo=UTC)
    while day.date().isoformat() <= last:
        yield day
        day += timedelta(days=1)


def wrong(league: League, games: list[GameFact], listed: tuple[GameFact, ...] = ()) -> list[GameFact]:
    """The games that are given another season than theirs when none is stated."""
    guessed, counts = complete_seasons(league, [one._replace(season=UNSTATED) for one in games], listed)
    assert counts.total() == len(games)
    return [one for one, other in zip(games, guessed, strict=True) if one.season != other.season]


AUTUMN_TO_SPRING = [
    *round_robin(2017, ("2017-08-12", "2018-05-13")),
    *round_robin(2018, ("2018-08-11", "2019-05-12")),
    *round_robin(2019, ("2019-08-10", "2020-03-09"), ("2020-06-17", "2020-07-26")),
    *round_robin(2020, ("2020-09-12", "2021-05-23")),
    *round_robin(2021, ("2021-08-14", "2022-05-22")),
]
CALENDAR_YEARS = [
    *round_robin(2017, ("2017-04-01", "2017-11-05")),
    *round_robin(2018, ("2018-04-01", "2018-05-27"), ("2018-07-07", "2018-11-11")),
    *round_robin(2019, ("2019-03-31", "2019-11-02")),
    *round_robin(2020, ("2020-06-14", "2020-12-06")),
]
LONG_WINTER_BREAK = [
    *round_robin(2017, ("2017-07-15", "2017-12-04"), ("2018-02-18", "2018-05-21")),
    *round_robin(2018, ("2018-07-14", "2018-12-03"), ("2019-02-17", "2019-05-20")),
    *round_robin(2019, ("2019-07-13", "2019-12-02"), ("2020-02-16", "2020-05-25")),
]


@pytest.mark.parametrize("league", [LEAGUES.get("EPL"), UNKNOWN], ids=["built in", "unknown"])
def test_a_season_that_ends_in_late_summer_stays_whole(league: League) -> None:
    assert wrong(league, AUTUMN_TO_SPRING) == []
    for season in range(2017, 2022):
        assert wrong(league, [one for one in AUTUMN_TO_SPRING if one.season == season]) == []


@pytest.mark.parametrize("games", [CALENDAR_YEARS, LONG_WINTER_BREAK], ids=["calendar years", "a long winter break"])
def test_the_games_of_an_unknown_league_show_how_its_seasons_run(games: list[GameFact]) -> None:
    assert wrong(UNKNOWN, games) == []
    for season in {one.season for one in games}:
        assert wrong(UNKNOWN, [one for one in games if one.season == season]) == []


@pytest.mark.parametrize("games", [AUTUMN_TO_SPRING, CALENDAR_YEARS], ids=["autumn to spring", "calendar years"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_a_season_under_way_is_named_as_it_will_be(games: list[GameFact], share: float) -> None:
    for season in {one.season for one in games}:
        own = [one for one in games if one.season == season]
        begun = own[: int(share * len(own))]
        if begun[-1].start_at - begun[0].start_at >= SHORTEST_SCHEDULE:
            assert wrong(UNKNOWN, begun) == []


def test_a_few_days_show_nothing_so_the_usual_seasons_of_the_sport_are_taken() -> None:
    for sport, season in (("soccer", 2018), ("basketball", 2018), ("rugby", 2018), ("baseball", 2019)):
        league = League(key="OTHER", sport=sport)
        assert wrong(league, [game(1, datetime(2019, 4, 6, tzinfo=UTC), "a", "b", season)]) == []


def test_a_league_says_when_its_seasons_change() -> None:
    winter = League(key="BASH", sport="cricket", season_start="10-01")
    games = [one for year in (2018, 2019) for one in round_robin(year, (f"{year}-12-10", f"{year + 1}-02-04"))]
    assert wrong(winter, games) == []


def test_a_part_of_a_season_is_judged_with_what_is_archived() -> None:
    late = [one for one in AUTUMN_TO_SPRING if one.season == 2019 and one.start_at.month in (6, 7)]
    archived = tuple(one for one in AUTUMN_TO_SPRING if one.season in (2018, 2020))
    assert late
    assert wrong(UNKNOWN, late, archived) == []


def test_what_is_stated_stays_and_games_that_do_not_take_place_show_nothing() -> None:
    games = [one for one in AUTUMN_TO_SPRING if one.season in (2018, 2019)]
    stated = [one._replace(season=1999) for one in games]
    assert complete_seasons(UNKNOWN, stated) == (stated, {})
    off = game(1, datetime(2019, 6, 20, tzinfo=UTC), "club 1", "club 2", 2018)._replace(status="void")
    assert wrong(UNKNOWN, games, tuple(off._replace(game_id=f"off {day}", start_at=off.start_at + timedelta(days=day))
                                       for day in range(0, 60, 5))) == []  # fmt: skip


def test_a_sport_without_seasons_is_counted_in_calendar_years() -> None:
    days = list(days_of("2021-03-01", "2023-06-30"))
    games = [game(place, day, f"fighter {place}", "other", day.year) for place, day in enumerate(days)]
    for league in (LEAGUES.get("UFC"), League(key="OTHER", sport="mma")):
        assert wrong(league, games) == []


@settings(max_examples=30)
@given(
    month=st.sampled_from([2, 3, 4, 8, 9, 10]),
    shifts=st.lists(st.integers(0, 27), min_size=3, max_size=5),
    length=st.integers(180, 270),
)
def test_every_season_is_one_whatever_day_it_begins_on(month: int, shifts: list[int], length: int) -> None:
    games: list[GameFact] = []
    for year, shift in enumerate(shifts, start=2015):
        first = datetime(year, month, 1, tzinfo=UTC) + timedelta(days=shift)
        last = first + timedelta(days=length)
        games += round_robin(year, (first.date().isoformat(), last.date().isoformat()), clubs=10)
    assert wrong(UNKNOWN, games) == []


@pytest.mark.parametrize("key", ["EPL", "LALIGA", "BUNDESLIGA", "NFL", "NBA", "NHL", "MLB"])
def test_every_real_game_gets_the_season_that_its_archive_states(key: str, development_data: Path) -> None:
    league = LEAGUES.get(key)
    games = read_csv(development_data / f"{key}.csv.gz", LEAGUES).batches[league].games
    assert wrong(league, games) == []
    assert wrong(league.model_copy(update={"season_start": None}), games) == []
    for season in {one.season for one in games}:
        own = [one for one in games if one.season == season]
        assert wrong(league, own) == []
        assert wrong(league, own[: len(own) // 2]) == []

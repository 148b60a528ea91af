"""What real archives are like: two games a day, neutral grounds, clubs that move, seasons over two years."""

import csv
import gzip
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.archive.facts import FactBatch, GameFact
from feature_store.features.sets import EVERYTHING
from feature_store.identity.spelling_variants import TeamSchedules
from feature_store.rows.replay import past_rows
from feature_store.sources.csv.reader import read_csv
from tests.feature_store.sources.csv.test_reader import GOOD, only, read, row

LEAGUES = Leagues(BUILT_IN)
MOVED = {"Los Angeles Rams": ("St. Louis Rams", 2016), "Los Angeles Chargers": ("San Diego Chargers", 2017),
         "Las Vegas Raiders": ("Oakland Raiders", 2020)}  # fmt: skip


def real(folder: Path, league: str) -> FactBatch:
    return only(read_csv(folder / f"{league}.csv.gz", LEAGUES))


def csv_rows(folder: Path, league: str) -> list[Mapping[str, str]]:
    with gzip.open(folder / f"{league}.csv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_double_header_of_eight_seasons_keeps_both_games_and_scores(development_data: Path) -> None:
    batch = real(development_data, "MLB")
    scores = {result.game_id: (result.home_score, result.away_score) for result in batch.results}
    meetings = Counter((game.start_at.date(), game.home_team, game.away_team) for game in batch.games)
    assert sum(1 for count in meetings.values() if count == 2) == 197
    assert max(meetings.values()) == 2
    assert scores["mlb_2010-04-24_963"] == (8, 1)
    assert scores["mlb_2010-04-24_981"] == (1, 4)


def test_the_second_game_of_a_bare_date_does_not_see_the_first(development_data: Path) -> None:
    batch = real(development_data, "MLB")
    days = {"mlb_2010-04-24_963", "mlb_2010-04-24_981"}
    until = min(game.start_at for game in batch.games if game.game_id in days)
    early = FactBatch(
        games=[game for game in batch.games if game.start_at <= until],
        results=[
            result for result in batch.results if result.finished_at.date() <= until.date() or result.game_id in days
        ],
    )
    first, second = (one for one in past_rows(LEAGUES.get("MLB"), early, EVERYTHING) if one.game.game_id in days)
    assert repr(first.values) == repr(second.values)


@pytest.mark.parametrize(("league", "count"), [("NFL", 47), ("NBA", 9)])
def test_neutral_games_are_marked(league: str, count: int, development_data: Path) -> None:
    neutral = [game for game in real(development_data, league).games if game.neutral]
    assert len(neutral) == count
    assert {row["game_id"] for row in csv_rows(development_data, league) if row["neutral"] == "1"} == {
        game.game_id for game in neutral
    }


def test_a_club_that_moved_has_one_name_through_all_seasons(development_data: Path) -> None:
    games = real(development_data, "NFL").games
    assert len({game.home_team for game in games}) == 32
    for club in MOVED:
        assert {game.season for game in games if club in (game.home_team, game.away_team)} == set(range(2006, 2021))


def test_a_club_under_the_name_of_its_old_town_is_for_a_person_to_decide(development_data: Path) -> None:
    """The names are not alike enough to be suggested; the games forbid every club but the right one."""
    diaries = TeamSchedules([under_old_names(game) for game in real(development_data, "NFL").games])
    assert diaries.suggestions() == []
    for today, (then, _) in MOVED.items():
        possible = {club for club in diaries.names() if club != then and not diaries.against(then, club)}
        assert today in possible
        assert not possible - {today} - {name for old in MOVED.items() for name in (old[0], old[1][0])}


def under_old_names(game: GameFact) -> GameFact:
    def then(club: str) -> str:
        old, moved = MOVED.get(club, (club, 0))
        return old if game.season < moved else club

    return game._replace(home_team=then(game.home_team), away_team=then(game.away_team))


def test_the_season_that_a_file_states_counts_even_in_the_summer_of_2020(development_data: Path) -> None:
    late = [
        game for game in real(development_data, "EPL").games if (game.start_at.year, game.start_at.month) == (2020, 7)
    ]
    assert len(late) == 66
    assert {game.season for game in late} == {2019}


@pytest.mark.parametrize(
    ("league", "day", "season"),
    [("EPL", "2024-04-27", 2023), ("EPL", "2024-08-17", 2024), ("NFL", "2024-02-11", 2023), ("NBA", "2024-06-30", 2023),
     ("MLB", "2024-04-27", 2024), ("MLS", "2024-04-27", 2024), ("WNBA", "2024-05-14", 2024), ("ATP", "2024-01-14", 2024)],
)  # fmt: skip
def test_a_season_over_two_years_is_named_by_the_first_of_them(
    league: str, day: str, season: int, tmp_path: Path
) -> None:
    batch = only(read(tmp_path, LEAGUES, row(league=league, kickoff_utc="", game_date=day)))
    assert [game.season for game in batch.games] == [season]


def test_neutral_and_playoff_are_read_from_their_columns(tmp_path: Path) -> None:
    cells = {**GOOD, "league": "NFL", "playoff": "1", "neutral": "true"}
    (game,) = only(read(tmp_path, LEAGUES, cells)).games
    assert (game.neutral, game.playoff, game.start_at) == (True, True, datetime(2024, 4, 27, 14, tzinfo=UTC))

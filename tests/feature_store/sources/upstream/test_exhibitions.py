"""Games that do not count are recognised by calendar and names where the feed has no word for them; all others count."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.sources.csv.reader import read_csv
from feature_store.sources.upstream.exhibitions import CALENDARS, is_exhibition

LEAGUES = Leagues(BUILT_IN)


def exhibition(key: str, start: str, home: str = "Home Town", away: str = "Away Town") -> bool:
    return is_exhibition(LEAGUES.get(key), datetime.fromisoformat(f"{start}+00:00"), home, away)


@pytest.mark.parametrize(
    ("key", "start"),
    [
        ("MLB", "2023-02-25 18:05"), ("MLB", "2023-03-29 00:05"), ("MLB", "2024-03-20 17:05"),
        ("MLB", "2020-03-10 17:05"), ("MLB", "2031-03-01 18:05"), ("NBA", "2022-10-15 00:00"), ("NBA", "2020-12-12 00:00"),
        ("NBA", "2030-10-08 23:00"), ("NHL", "2024-10-05 23:00"), ("NHL", "2025-09-22 23:00"), ("NFL", "2024-08-25 00:00"),
        ("KBO", "2024-03-18 04:00"), ("WNBA", "2024-05-10 23:00"), ("CFL", "2024-05-31 23:00"),
    ],
)  # fmt: skip
def test_before_the_opening_day_no_game_counts(key: str, start: str) -> None:
    assert exhibition(key, start)


@pytest.mark.parametrize(
    ("key", "start"),
    [
        ("MLB", "2023-03-30 17:05"), ("MLB", "2023-11-02 00:03"), ("MLB", "2020-07-23 23:00"), ("NBA", "2022-10-18 23:30"),
        ("NBA", "2020-10-12 00:00"), ("NBA", "2020-09-20 00:00"), ("NBA", "2021-07-21 01:00"), ("NHL", "2024-10-08 20:30"),
        ("NHL", "2020-09-29 00:00"), ("NFL", "2024-09-06 00:20"), ("NFL", "2030-09-05 00:20"), ("KBO", "2024-03-23 05:00"),
        ("WNBA", "2024-05-14 23:30"), ("EPL", "2024-07-30 14:00"), ("UFC", "2024-03-01 00:00"),
    ],
)  # fmt: skip
def test_from_the_opening_day_to_the_last_final_every_game_counts(key: str, start: str) -> None:
    assert not exhibition(key, start)


def test_the_first_games_abroad_count_although_others_still_prepare() -> None:
    assert not exhibition("MLB", "2024-03-20 10:05", "San Diego Padres", "Los Angeles Dodgers")
    assert exhibition("MLB", "2024-03-20 20:05", "Los Angeles Angels", "Milwaukee Brewers")
    assert not exhibition("NHL", "2024-10-04 17:00", "Buffalo Sabres", "New Jersey Devils")


@pytest.mark.parametrize(
    ("key", "home", "away"),
    [
        ("MLB", "National League", "American League"), ("MLB", "American League All-Stars", "National League All-Stars"),
        ("NBA", "East", "West"), ("NBA", "Team LeBron", "Team Giannis"), ("NBA", "USA", "World"),
        ("NBA", "Eastern Conf All Stars", "Western Conf All Stars"), ("NHL", "Metropolitan Division", "Pacific"),
        ("NHL", "Team Matthews", "Team MacKinnon"), ("NFL", "AFC", "NFC"), ("WNBA", "Team Clark", "Team Collier"),
        ("NPB", "Central League", "Pacific League"),
    ],
)  # fmt: skip
def test_sides_chosen_from_all_clubs_are_no_clubs(key: str, home: str, away: str) -> None:
    assert exhibition(key, "2024-07-16 00:00", home, away)
    assert exhibition(key, "2024-07-16 00:00", away.upper(), f" {home} ")


def test_clubs_with_such_words_in_their_names_are_clubs() -> None:
    for key, club in (("EPL", "West Ham"), ("EPL", "Team Talk"), ("NHL", "Pacific Town"), ("ATP", "World Team")):
        assert not exhibition(key, "2024-05-20 00:00", club, "Other")


def test_no_real_game_is_taken_for_an_exhibition(development_data: Path) -> None:
    for key in CALENDARS.keys() & {"NFL", "NBA", "MLB", "NHL"}:
        games = read_csv(development_data / f"{key}.csv.gz", LEAGUES).batches[LEAGUES.get(key)].games
        known = [one for one in games if one.start_at >= datetime(2018, 1, 1, tzinfo=UTC) + timedelta(days=60)]
        other = [one for one in games if one not in known]
        taken = [
            one
            for one in [*known, *other]
            if is_exhibition(LEAGUES.get(key), one.start_at, one.home_team, one.away_team)
        ]
        assert taken == []

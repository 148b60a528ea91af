"""A person decides which spelling means which club; the program only suggests, and refuses what the games disprove."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.errors import ConflictError, ResourceNotFoundError, ValidationError
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact
from feature_store.identity.spelling_variants import TeamSchedules, likeness_of
from feature_store.identity.team_aliases import (
    Alias,
    clubs,
    forget_alias,
    list_aliases,
    load_aliases,
    record_alias,
    suggestions,
)
from feature_store.sources.csv.backfill import backfill
from feature_store.sources.csv.reader import read_csv
from feature_store.sources.library.sample import sample_batches
from tests.conftest import NOW
from tests.feature_store.sources.csv.test_reader import GOOD, row, text_of

DAY = datetime(2024, 4, 27, 14, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def game(home: str, away: str, day: int = 0, *, hour: int = 14, date_only: bool = False) -> GameFact:
    start = DAY.replace(hour=hour) + timedelta(days=day)
    game_id = f"{start:%m%d%H}-{home}-{away}-{date_only}"
    return GameFact(game_id, start - timedelta(days=14), 2023, start, date_only, home, away, False, False, "final")


def pairs(*games: GameFact) -> list[tuple[str, str]]:
    return [(one.alias, one.team) for one in TeamSchedules(games).suggestions()]


def test_a_name_like_another_is_suggested_with_the_rarer_one_as_alias() -> None:
    (found,) = TeamSchedules([game("Manchester United", "Arsenal"), game("Everton", "Manchester United", 7),
                        game("Man United", "Fulham", 14)]).suggestions()  # fmt: skip
    assert (found.alias, found.team, found.likeness, found.told_twice) == ("Man United", "Manchester United", 86, 0)
    assert (found.alias_games, found.team_games) == (1, 2)


def test_two_names_that_met_are_two_clubs() -> None:
    assert pairs(game("Sheffield United", "Sheffield Utd", 0), game("Sheffield Utd", "Leeds", 7)) == []


def test_two_names_that_played_different_opponents_at_once_are_two_clubs() -> None:
    apart = game("Man United", "Fulham"), game("Manchester United", "Leeds", 7)
    assert pairs(*apart) == [("Man United", "Manchester United")]
    assert pairs(*apart, game("Manchester United", "Burnley")) == []
    assert pairs(*apart, game("Man United", "Burnley", 7, hour=19)) == []


def test_a_game_told_by_two_sources_speaks_for_a_pair_and_not_against_it() -> None:
    listed = [game("Man United", "Spurs"), game("Manchester United", "Spurs", hour=15)]
    assert pairs(*listed) == [("Man United", "Manchester United")]


def test_names_that_are_nothing_alike_are_found_by_the_games_they_share() -> None:
    listed = [
        game(name, opponent, day) for name in ("Spurs", "Tottenham") for day, opponent in enumerate(("Leeds", "Luton"))
    ]
    assert [(one.alias, one.team, one.told_twice) for one in TeamSchedules(listed).suggestions()] == [
        ("Spurs", "Tottenham", 2)
    ]
    assert pairs(*listed[:3]) == []


def test_both_sides_of_a_game_may_be_spelt_differently_at_once() -> None:
    listed = [game("Spurs", "Leeds"), game("Tottenham", "Leeds"), game("Spurs", "Luton", 3), game("Tottenham", "Luton", 3),
            game("Man United", "Spurs", 7), game("Manchester United", "Tottenham", 7)]  # fmt: skip
    assert pairs(*listed) == [("Spurs", "Tottenham"), ("Man United", "Manchester United")]


def test_a_bare_date_says_nothing_against_a_time_that_may_be_a_day_apart_by_zone() -> None:
    lakers = [game("Los Angeles Lakers", "Utah Jazz", date_only=True), game("LA Lakers", "Boston Celtics", hour=1)]
    assert pairs(*lakers) == [("LA Lakers", "Los Angeles Lakers")]


def test_a_double_header_is_no_evidence() -> None:
    twice = [game("St. Louis Cardinals", "Cubs", hour=hour) for hour in (13, 19)]
    assert pairs(*twice, game("St Louis Cardinals", "Reds", 3)) == [("St Louis Cardinals", "St. Louis Cardinals")]


@given(st.text(max_size=20), st.text(max_size=20))
def test_likeness_is_symmetric_and_bounded(one: str, other: str) -> None:
    assert 0 <= likeness_of(one, other) == likeness_of(other, one) <= 100


def test_a_real_season_with_one_spelling_each_suggests_nothing(leagues: Leagues) -> None:
    for batch in sample_batches(leagues).values():
        assert TeamSchedules(batch.games).suggestions() == []


VARIANTS = {
    "Man United": "Manchester United",
    "Nott'm Forest": "Nottingham Forest",
    "Newcastle": "Newcastle United",
    "Wolves": "Wolverhampton Wanderers",
    "Tottenham": "Spurs",
}


def test_a_real_season_told_twice_with_other_spellings_suggests_exactly_the_variants(leagues: Leagues) -> None:
    games = sample_batches(leagues)[leagues.get("EPL")].games
    names = {name for one in games for name in (one.home_team, one.away_team)}
    assert set(VARIANTS) <= names
    again = [
        one._replace(
            game_id=f"bot-{number}",
            home_team=VARIANTS.get(one.home_team, one.home_team),
            away_team=VARIANTS.get(one.away_team, one.away_team),
        )
        for number, one in enumerate(games)
    ]
    assert {frozenset(pair) for pair in pairs(*games, *again)} == {frozenset(pair) for pair in VARIANTS.items()}


def test_an_alias_counts_for_the_files_read_from_then_on_and_a_second_reading_corrects(
    database: Engine, leagues: Leagues, tmp_path: Path
) -> None:
    epl, file = leagues.get("EPL"), tmp_path / "games.csv"
    file.write_text(text_of(row(home_team="Man United")))
    backfill(database, leagues, [file], now=NOW)
    assert record_alias(database, epl, "Man United", "Manchester United", source="test", now=NOW)
    assert [one.home_team for one in archive.load(database, epl, LATER).games] == ["Man United"]
    assert backfill(database, leagues, [file], now=LATER).recorded["EPL"].corrections == 1
    listed = archive.load(database, epl, LATER).games
    assert [(one.home_team, one.known_at) for one in listed][1:] == [("Manchester United", LATER)]
    assert backfill(database, leagues, [file], now=LATER + timedelta(days=1)).added == 0


def test_an_alias_is_a_matter_of_its_league_and_of_the_very_letters(
    sqlite_database: Engine, leagues: Leagues, tmp_path: Path
) -> None:
    record_alias(sqlite_database, leagues.get("EPL"), "Rangers", "Queens Park Rangers", source="test", now=NOW)
    aliases = load_aliases(sqlite_database)
    assert aliases.team(leagues.get("EPL"), "Rangers") == "Queens Park Rangers"
    assert aliases.team(leagues.get("NHL"), "Rangers") == "Rangers"
    assert aliases.team(leagues.get("EPL"), "rangers") == "rangers"


def test_two_lines_of_one_game_agree_under_their_aliases(
    sqlite_database: Engine, leagues: Leagues, tmp_path: Path
) -> None:
    (tmp_path / "games.csv").write_text(text_of(GOOD, row(home_team="Arsenal FC")))
    assert len(read_csv(tmp_path / "games.csv", leagues).rejected) == 1
    record_alias(sqlite_database, leagues.get("EPL"), "Arsenal FC", "Arsenal", source="test", now=NOW)
    assert read_csv(tmp_path / "games.csv", leagues, load_aliases(sqlite_database)).rejected == []


def test_a_club_that_would_play_itself_under_an_alias_is_rejected(
    sqlite_database: Engine, leagues: Leagues, tmp_path: Path
) -> None:
    record_alias(sqlite_database, leagues.get("EPL"), "Chelsea", "Arsenal", source="test", now=NOW)
    (tmp_path / "games.csv").write_text(text_of(GOOD))
    (item,) = read_csv(tmp_path / "games.csv", leagues, load_aliases(sqlite_database)).rejected
    assert (item.fact, item.reason) == ("row", "away_team: 'Arsenal' plays itself")


def test_the_same_decision_again_changes_nothing(database: Engine, leagues: Leagues) -> None:
    epl = leagues.get("EPL")
    assert record_alias(database, epl, " Spurs ", "Tottenham", source="test", now=NOW)
    assert not record_alias(database, epl, "Spurs", "Tottenham", source="test", now=LATER)
    assert list_aliases(database, epl) == [Alias("EPL", "Spurs", "Tottenham", "test", NOW, score=None, rule=None)]


@pytest.mark.parametrize(
    ("alias", "team", "error", "reason"),
    [
        ("Spurs", "San Antonio", ConflictError, "'Spurs' already means 'Tottenham' in EPL"),
        ("THFC", "Spurs", ConflictError, "'Spurs' is itself an alias of 'Tottenham'"),
        ("Tottenham", "Tottenham Hotspur", ConflictError, "'Tottenham' is the club that Spurs stand for"),
        ("Arsenal", "Chelsea", ConflictError, "Different clubs: Arsenal and Chelsea met on 2024-04-27"),
        ("Leeds", "Leeds ", ValidationError, "ALIAS: 'Leeds' is the team's own name"),
        (" ", "Leeds", ValidationError, "ALIAS: a name of 1 to 150 characters"),
        ("Leeds", "L" * 151, ValidationError, "TEAM: a name of 1 to 150 characters"),
    ],
)
def test_a_decision_that_cannot_hold_is_refused(
    alias: str, team: str, error: type[Exception], reason: str, sqlite_database: Engine, leagues: Leagues
) -> None:
    epl = leagues.get("EPL")
    archive.record(sqlite_database, epl, FactBatch([game("Arsenal", "Chelsea")]), source="test", recorded_at=NOW)
    record_alias(sqlite_database, epl, "Spurs", "Tottenham", source="test", now=NOW)
    with pytest.raises(error, match=re.escape(reason)):
        record_alias(sqlite_database, epl, alias, team, source="test", now=NOW)
    assert len(list_aliases(sqlite_database)) == 1


def test_a_decision_can_be_taken_back(database: Engine, leagues: Leagues) -> None:
    epl = leagues.get("EPL")
    record_alias(database, epl, "Spurs", "Tottenham", source="test", now=NOW)
    with pytest.raises(ResourceNotFoundError, match=r"EPL has no alias .Spur.\. Nearest: Spurs"):
        forget_alias(database, epl, "Spur", source="test", now=NOW)
    forget_alias(database, epl, "Spurs", source="test", now=NOW)
    assert list_aliases(database) == []


def test_suggestions_and_clubs_know_what_has_been_decided(sqlite_database: Engine, leagues: Leagues) -> None:
    epl = leagues.get("EPL")
    listed = FactBatch([game("Man United", "Leeds"), game("Manchester United", "Luton", 7)])
    archive.record(sqlite_database, epl, listed, source="test", recorded_at=NOW)
    assert len(suggestions(sqlite_database, epl)) == 1
    record_alias(sqlite_database, epl, "Man United", "Manchester United", source="test", now=NOW)
    assert suggestions(sqlite_database, epl) == []
    assert [tuple(club)[1:] for club in clubs(sqlite_database, epl)] == [
        ("Leeds", 1, ()),
        ("Luton", 1, ()),
        ("Manchester United", 2, ("Man United",)),
    ]


@pytest.mark.parametrize("league", ["NFL", "NBA", "MLB", "NHL", "EPL", "LALIGA", "BUNDESLIGA"])
def test_the_real_archives_spell_each_club_in_one_way(league: str, development_data: Path, leagues: Leagues) -> None:
    games = read_csv(development_data / f"{league}.csv.gz", leagues).batches[leagues.get(league)].games
    assert TeamSchedules(games).suggestions() == []

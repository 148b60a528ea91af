"""Any CSV layout can be read through a mapping file, whose mistakes are named with file, table and key."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.betting.odds import decimal_to_american
from core.errors import ValidationError
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.identity.team_aliases import record_alias
from feature_store.sources.csv.backfill import backfill
from feature_store.sources.csv.cells import ForeignCells
from feature_store.sources.csv.mapping import Formats
from feature_store.sources.csv.mapping_file import read_mapping
from feature_store.sources.csv.reader import CsvReading, read_csv
from tests.conftest import NOW

FOOTBALL_DATA = """
[columns]
league = "Div"
game_date = "Date"
kickoff_time = "Time"
home_team = "HomeTeam"
away_team = "AwayTeam"
home_score = "FTHG"
away_score = "FTAG"
home_shots = "HS"
odds_home = "B365CH"
odds_draw = "B365CD"
odds_away = "B365CA"
odds_home_open = "B365H"
odds_draw_open = "B365D"
odds_away_open = "B365A"

[constants]
season = 2023
odds_kind = "bet365"

[leagues]
E0 = "EPL"

[formats]
date = ["%d/%m/%Y", "%d/%m/%y"]
time_zone = "Europe/London"
"""
FOOTBALL_DATA_CSV = """\ufeffDiv,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HS,B365H,B365D,B365A,B365CH,B365CD,B365CA
E0,11/08/2023,20:00,Burnley,Man City,0,3,A,6,8,5.5,1.33,9,5.25,1.33
E0,26/12/23,12:30,Newcastle,Nott'm Forest,1,3,A,21,1.4,5,7.5,1.44,4.75,7
E0,27/12/2023,,Brentford,Wolves,1,4,A,15,,,,2.4,3.4,3
E0,31/02/2023,15:00,Arsenal,Chelsea,1,0,H,9,2,3.5,3.6,2,3.5,3.6
"""

AMERICAN = """
[columns]
game_date = "Date"
kickoff_time = "Start (ET)"
season = "Season"
home_team = "Home"
away_team = "Visitor"
home_score = "HomeFinal"
away_score = "VisitorFinal"
spread_line = "HomeSpread"
total_line = "Total"
odds_home = "HomeML"
odds_away = "VisitorML"
odds_over = "Over"
odds_under = "Under"

[constants]
league = "NFL"
neutral = false

[formats]
date = "%m/%d/%Y"
time = "%I:%M %p"
time_zone = "America/New_York"
odds = "american"
spread = "bookmaker"
game_id = "nfl_{date}_{home_team}_{away_team}"
"""
AMERICAN_CSV = """Season,Date,Start (ET),Visitor,Home,VisitorFinal,HomeFinal,HomeSpread,Total,VisitorML,HomeML,Over,Under
2020-21,01/24/2021,6:40 PM,Buffalo Bills,Kansas City Chiefs,24,38,-3,54.5,150,-170,-110,-110
2020-21,01/24/2021,3:05 PM,Tampa Bay Buccaneers,Green Bay Packers,31,26,-3.5,53,EVEN,-120,-105,50
2020-21,02/07/2021,6:30 PM,Kansas City Chiefs,Tampa Bay Buccaneers,9,31,PK,56,-110,-110,,
"""


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "layout.toml"


def read(layout: Path, toml: str, text: str, leagues: Leagues) -> CsvReading:
    layout.write_text(toml)
    games = layout.with_name("theirs.csv")
    games.write_text(text)
    return read_csv(games, leagues, mapping=read_mapping(layout))


def only(reading: CsvReading) -> FactBatch:
    (batch,) = reading.batches.values()
    return batch


def test_a_football_data_file_is_read_with_its_own_dates_zone_and_both_prices(layout: Path, leagues: Leagues) -> None:
    reading = read(layout, FOOTBALL_DATA, FOOTBALL_DATA_CSV, leagues)
    batch, start = only(reading), datetime(2023, 8, 11, 19, tzinfo=UTC)
    assert batch.games[0] == GameFact(
        "2023-08-11-Burnley-ManCity", start - timedelta(days=14), 2023, start, False, "Burnley", "Man City",
        False, False, "final",
    )  # fmt: skip
    ended, opened = start + timedelta(hours=2), start - timedelta(days=1)
    assert batch.results[0] == Result("2023-08-11-Burnley-ManCity", ended, ended, 0, 3, home_shots=6)
    assert batch.quotes[:2] == [
        Quote("2023-08-11-Burnley-ManCity", "bet365", "close", start, start, 9.0, 5.25, 1.33),
        Quote("2023-08-11-Burnley-ManCity", "bet365", "open", opened, opened, 8.0, 5.5, 1.33),
    ]
    assert [(game.start_at.hour, game.date_only) for game in batch.games] == [(19, False), (12, False), (16, True)]
    assert [game.game_id for game in batch.games[1:]] == [
        "2023-12-26-Newcastle-Nott'mForest",
        "2023-12-27-Brentford-Wolves",
    ]
    ((place, reason),) = [(item.place, item.reason) for item in reading.rejected]
    assert (place, "31/02/2023 (not %d/%m/%Y or %d/%m/%y)" in reason) == ("theirs.csv:5", True)
    assert "Div=E0" in reading.rejected[0].content


def test_an_american_file_is_read_with_american_odds_and_the_bookmakers_sign(layout: Path, leagues: Leagues) -> None:
    reading = read(layout, AMERICAN, AMERICAN_CSV, leagues)
    batch = only(reading)
    assert [(game.game_id, game.season, game.start_at) for game in batch.games] == [
        ("nfl_2021-01-24_KansasCityChiefs_BuffaloBills", 2020, datetime(2021, 1, 24, 23, 40, tzinfo=UTC)),
        ("nfl_2021-01-24_GreenBayPackers_TampaBayBuccaneers", 2020, datetime(2021, 1, 24, 20, 5, tzinfo=UTC)),
        ("nfl_2021-02-07_TampaBayBuccaneers_KansasCityChiefs", 2020, datetime(2021, 2, 7, 23, 30, tzinfo=UTC)),
    ]
    first = batch.quotes[0]
    assert (first.odds_home, first.odds_away, first.spread_line, first.total_line) == (1 + 100 / 170, 2.5, 3.0, 54.5)
    assert (first.odds_over, first.odds_under) == (1 + 100 / 110, 1 + 100 / 110)
    assert [quote.spread_line for quote in batch.quotes] == [3.0, 0.0]
    assert [item.reason for item in reading.rejected] == ["odds_under: expected a number, got '50 (not American odds)'"]


@given(decimal=st.floats(1.01, 100), spread=st.floats(-60, 60))
def test_american_odds_and_the_bookmakers_sign_come_back_as_decimal_odds_and_margins(
    decimal: float, spread: float
) -> None:
    theirs = {"odds_home": repr(decimal_to_american(decimal)), "spread_line": repr(spread)}
    ours = ForeignCells(theirs, Formats(odds="american", spread="bookmaker")).translate({})
    assert float(ours["odds_home"]) == pytest.approx(decimal)
    assert float(ours["spread_line"]) == -spread


def test_a_column_that_the_mapping_does_not_name_is_not_read(layout: Path, leagues: Leagues) -> None:
    text = AMERICAN_CSV.replace("Season,", "Season,playoff,", 1).replace("2020-21,", "2020-21,yes,")
    assert not any(game.playoff for game in only(read(layout, AMERICAN, text, leagues)).games)


def test_a_double_header_without_ids_is_numbered_where_the_template_asks_for_it(layout: Path, leagues: Leagues) -> None:
    day = "league,d,h,a,hs,as\nMLB,2014-07-04,Cubs,Reds,1,0\nMLB,2014-07-04,Cubs,Reds,4,6\n"
    toml = '[columns]\nleague="league"\ngame_date="d"\nhome_team="h"\naway_team="a"\nhome_score="hs"\naway_score="as"\n'
    assert only(read(layout, toml, day, leagues)).results == []
    numbered = toml + '[formats]\ngame_id="{date}-{home_team}-{nth}"\n'
    batch = only(read(layout, numbered, day, leagues))
    assert [result.game_id for result in batch.results] == ["2014-07-04-Cubs-1", "2014-07-04-Cubs-2"]


def test_a_made_id_keeps_the_files_spelling_so_that_an_alias_corrects_and_does_not_double(
    layout: Path, leagues: Leagues, sqlite_database: Engine
) -> None:
    layout.write_text(FOOTBALL_DATA)
    games = layout.with_name("theirs.csv")
    games.write_text(FOOTBALL_DATA_CSV)
    mapping = read_mapping(layout)
    assert backfill(sqlite_database, leagues, [games], now=NOW, mapping=mapping).recorded["EPL"].games == 3
    record_alias(sqlite_database, leagues.get("EPL"), "Man City", "Manchester City", source="test", now=NOW)
    again = backfill(sqlite_database, leagues, [games], now=NOW + timedelta(days=1), mapping=mapping).recorded["EPL"]
    assert (again.games, again.corrections) == (1, 1)


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("[columns", "not TOML: "),
        (FOOTBALL_DATA.replace("odds_home_open", "odds_hme_open"), "[columns] odds_hme_open: unknown column; nearest: odds_home_open"),
        (FOOTBALL_DATA.replace("odds_kind", "odds_knd"), "[constants] odds_knd: unknown column; nearest: odds_kind"),
        (FOOTBALL_DATA.replace("[leagues]", "[league]"), "[league]: unknown table; nearest: leagues"),
        (FOOTBALL_DATA.replace("time_zone", "timezone"), "[formats] timezone: unknown key; nearest: time_zone"),
        (FOOTBALL_DATA.replace("Europe/London", "Europe/Londn"), "[formats] time_zone: unknown time zone"),
        (AMERICAN.replace('"american"', '"us"'), "[formats] odds: Input should be 'decimal' or 'american', got 'us'"),
        (AMERICAN.replace('"bookmaker"', '"home"'), "[formats] spread: Input should be 'home_expected_margin' or 'bookmaker'"),
        (AMERICAN.replace("{date}", "{day}"), "[formats] game_id: use {away_team}, {date}"),
        (AMERICAN.replace('"%m/%d/%Y"', "[]"), "[formats] date: Value should have at least 1 item"),
        (FOOTBALL_DATA.replace('away_score = "FTAG"', ""), "[columns] lacks away_score"),
        (FOOTBALL_DATA.replace('game_date = "Date"', ""), "[columns] lacks game_date (or kickoff, or kickoff_utc)"),
        (FOOTBALL_DATA.replace("season = 2023", 'season = 2023\nleague = "EPL"'), "[constants] league is in [columns] too"),
        (FOOTBALL_DATA.replace('"HS"', "7"), "[columns] home_shots: expected the name of a column or a list of names, got 7"),
        ("", "[columns]: Field required"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_table_and_key(toml: str, named: str, layout: Path) -> None:
    layout.write_text(toml)
    with pytest.raises(ValidationError, match=re.escape(f"{layout}: ") + ".*" + re.escape(named)):
        read_mapping(layout)


def test_a_column_that_the_file_lacks_is_named_by_both_names(layout: Path, leagues: Leagues) -> None:
    text = FOOTBALL_DATA_CSV.replace("B365CH", "B365Close")
    with pytest.raises(ValidationError, match=r"layout\.toml: \[columns\] odds_home = 'B365CH': .*theirs\.csv: column"):
        read(layout, FOOTBALL_DATA, text, leagues)


def test_a_mapping_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"none\.toml: no such file"):
        read_mapping(tmp_path / "none.toml")


def test_the_example_of_the_documentation_reads_a_season_file(layout: Path, leagues: Leagues) -> None:
    page = (Path(__file__).parents[4] / "docs" / "data-scientists.md").read_text()
    (example,) = [block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[columns]" in block]
    reading = read(layout, example, FOOTBALL_DATA_CSV, leagues)
    assert (len(only(reading).games), len(only(reading).quotes), len(reading.rejected)) == (3, 5, 1)

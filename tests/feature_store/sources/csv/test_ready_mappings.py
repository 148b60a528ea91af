"""Each mapping that is part of the package reads a file in its site's documented columns."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.betting.leagues import BUILT_IN, Leagues
from core.errors import ResourceNotFoundError
from feature_store.archive.facts import FactBatch
from feature_store.sources.csv.mapping_file import find_mapping, ready_mappings
from feature_store.sources.csv.reader import read_csv

FILES = {
    "football-data": (
        "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HTHG,Referee,HS,AS,HST,AST,B365H,B365D,B365A,PSH,PSD,PSA,AvgH,AvgD,"
        "AvgA,AHh,B365CH,B365CD,B365CA,PSCH,PSCD,PSCA,AvgCH,AvgCD,AvgCA,AvgC>2.5,AvgC<2.5,AHCh,,\n"
        "E0,11/08/2023,20:00,Burnley,Man City,0,3,A,0,C Pawson,6,17,1,8,8,5.5,1.33,8.2,5.6,1.36,8.1,5.4,1.35,1.5,"
        "9,5.25,1.33,9.5,5.4,1.34,9.02,5.35,1.35,1.65,2.27,1.25,,\n"
        "F1,12/08/2023,18:00,Nantes,Saint-\u00c9tienne,1,1,D,1,Ren\u00e9 Gr\u00e4f,9,8,3,4\n"
        ",,,,,,,,,\n"
    ).encode("cp1252"),
    "football-data-new": (
        "Country,League,Season,Date,Time,Home,Away,HG,AG,Res,PSCH,PSCD,PSCA,MaxCH,MaxCD,MaxCA,AvgCH,AvgCD,AvgCA,B365CH,"
        "B365CD,B36CA\n"
        "Brazil, Serie A,2023,15/04/2023,22:30,Palmeiras,Cuiaba,2,1,H,1.2,6.9,15,1.22,7.2,17,1.19,6.6,14.1,1.2,6.5,13\n"
        "USA,MLS,2024,25/02/2024,01:30,LA Galaxy,Inter Miami,1,1,D,,,,,,,2.4,3.6,2.7,,,\n"
    ).encode("utf-8-sig"),
    "nflverse": (
        b"game_id,season,game_type,week,gameday,weekday,gametime,away_team,away_score,home_team,home_score,location,result,"
        b"total,overtime,away_moneyline,home_moneyline,spread_line,away_spread_odds,home_spread_odds,total_line,under_odds,"
        b"over_odds\n"
        b"2022_22_KC_PHI,2022,SB,22,2023-02-12,Sunday,18:30,KC,38,PHI,35,Neutral,-3,73,0,105,-125,1.5,-110,-110,51,-110,-110\n"
        b"2023_01_DET_KC,2023,REG,1,2023-09-07,Thursday,20:20,DET,21,KC,20,Home,-1,41,0,164,-198,4,-110,-110,53,-110,-110\n"
        b"2030_01_DET_KC,2030,REG,1,2030-09-05,Thursday,NA,DET,NA,KC,NA,Home,NA,NA,NA,NA,NA,NA,NA,NA,NA,NA,NA\n"
    ),
    "aussportsbetting-afl": (
        b"Historical results and odds,,,,,\n"
        b"Date,Kick Off (local),Home Team,Away Team,Venue,Home Score,Away Score,Play Off Game?,Over Time?,Home Odds,Away Odds,"
        b"Home Odds Open,Home Odds Close,Away Odds Open,Away Odds Close,Home Line Close,Total Score Close,"
        b"Total Score Over Close,Total Score Under Close\n"
        b"30-Sep-23,14:30,Collingwood,Brisbane,MCG,90,86,Y,,1.75,2.1,1.8,1.78,2.05,2.08,-4.5,166.5,1.9,1.9\n"
        b"16/03/2023,19:20,Richmond,Carlton,MCG,58,58,,,1.9,1.9,1.9,1.9,1.9,1.9,0.5,165.5,1.9,1.9\n"
    ),
}


def read(name: str, folder: Path) -> dict[str, FactBatch]:
    path = folder / "theirs.csv"
    path.write_bytes(FILES[name])
    reading = read_csv(path, Leagues(BUILT_IN), mapping=find_mapping(name))
    assert list(reading.rejected) == []
    return {league.key: batch for league, batch in reading.batches.items()}


def test_every_ready_mapping_has_a_title_and_an_input_here() -> None:
    ready = ready_mappings()
    assert ready.keys() == FILES.keys()
    assert all(ready.values())


def test_the_main_leagues_of_football_data_are_read_with_three_books(tmp_path: Path) -> None:
    batches = read("football-data", tmp_path)
    (game,) = batches["EPL"].games
    assert (game.game_id, game.start_at) == ("2023-08-11-Burnley-ManCity", datetime(2023, 8, 11, 19, tzinfo=UTC))
    (result,) = batches["EPL"].results
    assert (result.home_score, result.away_score, result.away_shots, result.home_shots_on_target) == (0, 3, 17, 1)
    assert {(quote.book, quote.moment): quote[5:12] for quote in batches["EPL"].quotes} == {
        ("market_average", "close"): (9.02, 5.35, 1.35, -1.25, 2.5, 1.65, 2.27),
        ("market_average", "open"): (8.1, 5.4, 1.35, -1.5, None, None, None),
        ("bet365", "close"): (9.0, 5.25, 1.33, None, None, None, None),
        ("bet365", "open"): (8.0, 5.5, 1.33, None, None, None, None),
        ("pinnacle", "close"): (9.5, 5.4, 1.34, None, None, None, None),
        ("pinnacle", "open"): (8.2, 5.6, 1.36, None, None, None, None),
    }
    assert batches["LIGUE1"].games[0].away_team == "Saint-Étienne"


def test_the_extra_leagues_of_football_data_are_known_by_their_country(tmp_path: Path) -> None:
    batches = read("football-data-new", tmp_path)
    assert batches.keys() == {"BRAZIL_SERIE_A", "MLS"}
    assert [quote.book for quote in batches["BRAZIL_SERIE_A"].quotes] == ["market_average", "pinnacle", "bet365"]
    assert [(quote.book, quote.odds_home) for quote in batches["MLS"].quotes] == [("market_average", 2.4)]
    assert [game.season for batch in batches.values() for game in batch.games] == [2023, 2024]


def test_the_nflverse_is_read_with_playoffs_neutral_games_and_its_sign_of_the_spread(tmp_path: Path) -> None:
    batch = read("nflverse", tmp_path)["NFL"]
    assert [(game.playoff, game.neutral, game.status) for game in batch.games] == [
        (True, True, "final"), (False, False, "final"), (False, False, "unknown"),
    ]  # fmt: skip
    assert batch.games[0].start_at == datetime(2023, 2, 12, 23, 30, tzinfo=UTC)
    first = batch.quotes[0]
    assert (first.odds_home, first.odds_away, first.spread_line, first.total_line) == (1.8, 2.05, 1.5, 51.0)
    assert len(batch.quotes) == len(batch.results) == 2


def test_the_afl_spreadsheet_is_read_below_its_title_with_the_bookmakers_sign(tmp_path: Path) -> None:
    batch = read("aussportsbetting-afl", tmp_path)["AFL"]
    assert [(game.playoff, game.date_only) for game in batch.games] == [(True, True), (False, True)]
    assert [(quote.moment, quote.odds_home, quote.spread_line) for quote in batch.quotes[:2]] == [
        ("close", 1.78, 4.5), ("open", 1.8, None),
    ]  # fmt: skip


def test_a_mapping_that_is_neither_ready_nor_a_file_is_named_with_the_ready_ones() -> None:
    with pytest.raises(
        ResourceNotFoundError, match=r"no ready mapping 'footbal-data'. Ready mappings: .*football-data-new"
    ):
        find_mapping("footbal-data")

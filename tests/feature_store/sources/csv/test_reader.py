"""A CSV archive gives all the facts it holds; what is damaged is named with file and line and costs nothing else."""

import gzip
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.betting.leagues import Leagues
from core.errors import ValidationError
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.sources.csv.reader import CsvReading, read_csv

START = datetime(2024, 4, 27, 14, 0, tzinfo=UTC)
GOOD = {
    "league": "EPL",
    "game_id": "g1",
    "game_date": "2024-04-27",
    "kickoff_utc": "2024-04-27T14:00:00Z",
    "finished_utc": "",
    "home_team": "Arsenal",
    "away_team": "Chelsea",
    "home_score": "2",
    "away_score": "1",
    "neutral": "0",
    "odds_home": "1.8",
    "odds_draw": "3.9",
    "odds_away": "4.6",
    "odds_home_open": "1.9",
    "total_line": "2.5",
    "odds_kind": "average",
}
NO_PRICE = {"odds_home": "", "odds_draw": "", "odds_away": ""}
"""Its price has a draw, which leagues of two outcomes do not take."""
OTHER = {**GOOD, "game_id": "g2", "home_team": "Everton", "away_team": "Fulham", "home_score": "0", "away_score": "0"}


def row(**cells: str) -> dict[str, str]:
    return {**GOOD, **cells}


def text_of(*rows: Mapping[str, str]) -> str:
    return "\n".join((",".join(rows[0]), *(",".join(cells.values()) for cells in rows))) + "\n"


def read(folder: Path, leagues: Leagues, *rows: Mapping[str, str]) -> CsvReading:
    (folder / "games.csv").write_text(text_of(*rows))
    return read_csv(folder / "games.csv", leagues)


def only(reading: CsvReading) -> FactBatch:
    (batch,) = reading.batches.values()
    return batch


def test_a_row_becomes_a_game_a_result_and_its_quotes_each_known_when_it_safely_was(
    tmp_path: Path, leagues: Leagues
) -> None:
    batch = only(read(tmp_path, leagues, GOOD))
    ended, opened = START + timedelta(hours=2), START - timedelta(days=1)
    assert batch.games == [
        GameFact("g1", START - timedelta(days=14), 2023, START, False, "Arsenal", "Chelsea", False, False, "final")
    ]
    assert batch.results == [Result("g1", ended, ended, 2, 1)]
    assert batch.quotes == [
        Quote("g1", "average", "close", START, START, 1.8, 3.9, 4.6, None, 2.5),
        Quote("g1", "average", "open", opened, opened, 1.9),
    ]


@pytest.mark.parametrize("kickoff", ["", "2024-04-27"])
def test_a_bare_date_starts_in_the_afternoon_and_is_known_next_morning(
    kickoff: str, tmp_path: Path, leagues: Leagues
) -> None:
    batch = only(read(tmp_path, leagues, row(kickoff_utc=kickoff)))
    assert (batch.games[0].start_at, batch.games[0].date_only) == (START.replace(hour=16), True)
    assert batch.results[0].known_at == datetime(2024, 4, 28, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kickoff", "start"),
    [
        ("2024-04-27 14:00", START),
        ("2024-04-27T16:00+02:00", START),
        ("20240427T1400", START),
    ],
)
def test_a_kick_off_is_moved_to_utc(kickoff: str, start: datetime, tmp_path: Path, leagues: Leagues) -> None:
    batch = only(read(tmp_path, leagues, row(kickoff_utc=kickoff)))
    assert (batch.games[0].start_at, batch.games[0].date_only) == (start, False)


def test_a_result_is_known_when_the_file_says_the_game_ended(tmp_path: Path, leagues: Leagues) -> None:
    batch = only(read(tmp_path, leagues, row(finished_utc="2024-04-27T15:58:00Z")))
    assert batch.results[0].known_at == batch.results[0].finished_at == START + timedelta(minutes=118)


@pytest.mark.parametrize(
    ("cells", "fact", "reason"),
    [
        ({"league": "EPLX"}, "row", "no league 'EPLX'. Nearest: EPL"),
        ({"league": ""}, "row", "league is empty"),
        ({"game_id": " "}, "row", "game_id is empty"),
        ({"game_id": "x" * 121}, "row", "game_id: at most 120 characters, got 121"),
        ({"home_team": ""}, "row", "home_team is empty"),
        ({"home_team": "A" * 151}, "row", "home_team: at most 150 characters"),
        ({"away_team": "Arsenal"}, "row", "'Arsenal' plays itself"),
        ({"kickoff_utc": "yesterday"}, "row", "kickoff_utc: expected an ISO date or time, got 'yesterday'"),
        ({"kickoff_utc": "", "game_date": ""}, "row", "kickoff_utc and game_date are both empty"),
        ({"kickoff_utc": "", "game_date": "0001-01-01"}, "row", "game_date: expected a year from 1850"),
        ({"kickoff_utc": "9999-12-31T23:59-10:00"}, "row", "kickoff_utc: expected a year from 1850 to 2150"),
        ({"neutral": "maybe"}, "row", "neutral: expected 0 or 1, got 'maybe'"),
        ({"home_score": "two"}, "result", "home_score: expected a whole number, got 'two'"),
        ({"home_score": "2.5"}, "result", "home_score: expected a whole number from 0"),
        ({"away_score": "-1"}, "result", "away_score: expected a whole number from 0"),
        ({"away_score": "1e300"}, "result", "away_score: expected a whole number from 0 to 1000000"),
        ({"away_score": "nan"}, "result", "away_score is empty while the other side has one"),
        ({"away_score": ""}, "result", "away_score is empty while the other side has one"),
        ({"finished_utc": "2024-04-27T13:00Z"}, "result", "finished_utc: .* is not after the start"),
        ({"finished_utc": "2024-04-27T14:00Z"}, "result", "finished_utc: .* is not after the start"),
        ({"finished_utc": "late"}, "result", "finished_utc: expected an ISO date or time"),
        ({"odds_home": "1.000"}, "quote", "odds_home: decimal odds are above 1, got 1"),
        ({"odds_draw": "0.5"}, "quote", "odds_draw: decimal odds are above 1, got 0.5"),
        ({"odds_away": "evens"}, "quote", "odds_away: expected a number, got 'evens'"),
        ({"total_line": "inf"}, "quote", "total_line: expected a finite number, got 'inf'"),
        ({"odds_home_open": "-110"}, "quote", "open odds_home: decimal odds are above 1, got -110"),
        ({"odds_kind": "b" * 65}, "quote", "odds_kind: at most 64 characters"),
    ],
)
def test_a_damaged_cell_costs_its_fact_and_is_named_with_file_and_line(
    cells: dict[str, str], fact: str, reason: str, tmp_path: Path, leagues: Leagues
) -> None:
    reading = read(tmp_path, leagues, OTHER, row(**cells))
    assert {item.fact for item in reading.rejected} == {fact}
    assert {(item.source, item.place) for item in reading.rejected} == {("games.csv", "games.csv:3")}
    assert [item for item in reading.rejected if re.search(reason, item.reason)]
    kept = only(reading)
    others = [len([one for one in facts if one.game_id == "g2"]) for facts in (kept.games, kept.results, kept.quotes)]
    assert others == [1, 1, 2]
    mine = [len([one for one in facts if one.game_id == "g1"]) for facts in (kept.games, kept.results, kept.quotes)]
    lost = len([item for item in reading.rejected if "decimal odds" not in item.reason])
    gone = lost + ("odds_home_open" in cells)
    assert mine == {"row": [0, 0, 0], "result": [1, 0, 2], "quote": [1, 1, 2 - gone]}[fact]


def test_a_level_score_is_damage_only_where_games_cannot_end_level(tmp_path: Path, leagues: Leagues) -> None:
    level = {"home_score": "3", "away_score": "3", **NO_PRICE}
    reading = read(tmp_path, leagues, row(league="NBA", **level), row(league="NFL", **level), row(**level))
    assert [item.reason for item in reading.rejected] == ["home_score: NBA games cannot end level, got 3-3"]
    assert {league.key: len(batch.results) for league, batch in reading.batches.items()} == {
        "NBA": 0,
        "NFL": 1,
        "EPL": 1,
    }


def test_a_game_without_a_score_is_a_game_that_nobody_knows_the_end_of(tmp_path: Path, leagues: Leagues) -> None:
    reading = read(tmp_path, leagues, row(home_score="", away_score=""))
    assert only(reading).games[0].status == "unknown"
    assert only(reading).results == []
    assert reading.rejected == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"EPL,g1,2024-04-27", "home_team: the row ends before this cell"),
        (text_of(GOOD).splitlines()[1].encode() + b",more", "the row has 17 cells, the header 16"),
        (b'EPL,"g1,2024-04-27,never closed', "kickoff_utc: the quotes of the line do not close"),
    ],
)
def test_a_damaged_line_takes_no_other_with_it(line: bytes, reason: str, tmp_path: Path, leagues: Leagues) -> None:
    header, good, *_ = text_of(OTHER).encode().splitlines()
    last = text_of(row(game_id="g3")).encode().splitlines()[1]
    (tmp_path / "games.csv").write_bytes(b"\r\n".join((b"\xef\xbb\xbf" + header, good, line, b"", last)))
    reading = read_csv(tmp_path / "games.csv", leagues)
    ((place, fact, text),) = [(item.place, item.fact, item.reason) for item in reading.rejected]
    assert (place, fact) == ("games.csv:3", "row")
    assert text.startswith(reason)
    assert [game.game_id for game in only(reading).games] == ["g2", "g3"]
    assert reading.rows == 3


@pytest.mark.parametrize(
    ("again", "scores", "reasons"),
    [
        ({}, [(2, 1)], []),
        ({"away_score": "3"}, [], ["g1 stands twice with different scores: lines 2 and 3"] * 2),
        ({"home_score": "", "away_score": ""}, [(2, 1)], []),
        ({"home_score": "x"}, [(2, 1)], ["home_score: expected a whole number, got 'x'"]),
        ({"home_team": "Leeds"}, [(2, 1)], ["g1 is another game on line 2: Arsenal v Chelsea, 2024-04-27 14:00"]),
        (
            {"kickoff_utc": "2024-04-28T14:00Z"},
            [(2, 1)],
            ["g1 is another game on line 2: Arsenal v Chelsea, 2024-04-27 14:00"],
        ),
    ],
)
def test_a_game_that_stands_twice_is_believed_only_where_the_lines_agree(
    again: dict[str, str], scores: list[tuple[int, int]], reasons: list[str], tmp_path: Path, leagues: Leagues
) -> None:
    reading = read(tmp_path, leagues, GOOD, row(**again), OTHER)
    batch = only(reading)
    assert [(one.home_score, one.away_score) for one in batch.results if one.game_id == "g1"] == scores
    assert [item.reason for item in reading.rejected] == reasons
    assert [game.game_id for game in batch.games] == ["g1", "g2"]


def test_a_third_line_does_not_settle_a_dispute(tmp_path: Path, leagues: Leagues) -> None:
    reading = read(tmp_path, leagues, GOOD, row(away_score="3"), GOOD)
    assert only(reading).results == []
    assert [item.place for item in reading.rejected] == ["games.csv:3", "games.csv:2", "games.csv:4"]


@pytest.mark.parametrize("first", [{"home_score": "", "away_score": ""}, {"home_score": "x"}])
def test_a_later_line_completes_an_earlier_one_without_a_score(
    first: dict[str, str], tmp_path: Path, leagues: Leagues
) -> None:
    batch = only(read(tmp_path, leagues, row(**first), GOOD))
    assert [(one.home_score, one.away_score) for one in batch.results] == [(2, 1)]
    assert [game.status for game in batch.games] == ["final"]


def test_both_games_of_a_double_header_are_kept(tmp_path: Path, leagues: Leagues) -> None:
    first = row(league="MLB", game_id="d1", kickoff_utc="", **NO_PRICE)
    reading = read(tmp_path, leagues, first, {**first, "game_id": "d2", "home_score": "5"})
    assert [result.home_score for result in only(reading).results] == [2, 5]
    assert reading.rejected == []


@pytest.mark.parametrize(
    "column", ["league", "game_id", "home_team", "away_team", "home_score", "away_score", "kickoff_utc or game_date"]
)
def test_a_missing_column_is_named_with_the_file(column: str, tmp_path: Path, leagues: Leagues) -> None:
    left = {name: value for name, value in GOOD.items() if name not in column.split()}
    with pytest.raises(ValidationError, match=f"games.csv: column {column} is missing; the file has ") as refused:
        read(tmp_path, leagues, left)
    assert refused.value.facts == {"field": column}


BREAKS: dict[str, Any] = {
    "truncated": lambda packed: packed[: len(packed) // 2],
    "flipped": lambda packed: packed[:60] + bytes([packed[60] ^ 0xFF]) + packed[61:],
    "wrong checksum": lambda packed: packed[:-8] + b"\0\0\0\0" + packed[-4:],
    "no gzip": lambda packed: gzip.decompress(packed),
}


@pytest.mark.parametrize("damage", BREAKS.values(), ids=BREAKS)
def test_a_broken_gzip_file_is_refused_with_its_name_and_line(damage: Any, tmp_path: Path, leagues: Leagues) -> None:
    whole = gzip.compress(text_of(*(row(game_id=f"g{number}") for number in range(300))).encode())
    (tmp_path / "games.csv.gz").write_bytes(whole)
    assert len(only(read_csv(tmp_path / "games.csv.gz", leagues)).games) == 300
    (tmp_path / "games.csv.gz").write_bytes(damage(whole))
    with pytest.raises(ValidationError, match=r"games\.csv\.gz: line \d+: cannot be read further"):
        read_csv(tmp_path / "games.csv.gz", leagues)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "column league is missing; the file has no columns"),
        (b"\xff\xfel\x00", "column league is missing; the file has l"),
        (b"\xff\xfel", "not utf-16-le at byte 1"),
        (b"PK\x03\x04...", "is a spreadsheet or an archive; save it as CSV"),
        (gzip.compress(b"league", mtime=0), "is gzip; name it .csv.gz"),
        (b"league,league,game_id,home_team,away_team,home_score,away_score,game_date\n", "league is twice"),
    ],
)
def test_a_file_that_is_no_archive_is_refused(content: bytes, named: str, tmp_path: Path, leagues: Leagues) -> None:
    (tmp_path / "games.csv").write_bytes(content)
    with pytest.raises(ValidationError, match=named):
        read_csv(tmp_path / "games.csv", leagues)


def test_rejected_lines_keep_their_own_words(tmp_path: Path, leagues: Leagues) -> None:
    (item,) = read(tmp_path, leagues, row(league="EPLX")).rejected
    assert "league=EPLX" in item.content
    assert "home_team=Arsenal" in item.content


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        ({"kickoff_utc": "2024-04-27T14:00:01Z"}, False),
        ({"kickoff_utc": "2044-04-27T14:00:00Z"}, False),
        ({"kickoff_utc": "2024-04-27T14:00:01Z", "home_score": "", "away_score": ""}, True),
        ({"kickoff_utc": "2024-04-27T14:00:00Z"}, True),
        ({"kickoff_utc": "", "game_date": "2024-04-28"}, True),
        ({"kickoff_utc": "", "game_date": "2024-04-29"}, False),
    ],
)
def test_a_final_of_the_future_is_refused(cells: dict[str, str], kept: bool, tmp_path: Path, leagues: Leagues) -> None:
    """A bare date may be that of New Zealand, where it begins half a day before it begins in UTC."""
    (tmp_path / "games.csv").write_text(text_of(row(**cells), OTHER))
    reading = read_csv(tmp_path / "games.csv", leagues, now=START)
    assert len(only(reading).games) == 1 + kept
    reasons = [f"{item.fact}: {item.reason}" for item in reading.rejected]
    assert all(reason.startswith("row: the game has a score, but starts in the future, at 20") for reason in reasons)
    assert len(reasons) == 1 - kept


def test_a_score_that_the_sport_cannot_have_costs_the_result(tmp_path: Path, leagues: Leagues) -> None:
    reading = read(tmp_path, leagues, row(home_score="9999", away_score="9999"))
    assert (len(only(reading).games), only(reading).results) == (1, [])
    assert [item.reason for item in reading.rejected] == ["home_score: 9999-9999: a side has at most 40 in soccer"]


@pytest.mark.parametrize("season", ["0", "20", "20192"])
def test_a_season_that_is_no_year_is_refused_and_none_is_guessed(season: str, tmp_path: Path, leagues: Leagues) -> None:
    reading = read(tmp_path, leagues, {**GOOD, "season": season}, {**OTHER, "season": ""})
    assert [item.reason for item in reading.rejected] == [f"season: expected a year from 1850 to 2150, got {season}"]
    assert reading.guessed_seasons == {leagues.get("EPL"): {2023: 1}}


@pytest.mark.parametrize("column", ["game_id", "home_team", "away_team"])
@pytest.mark.parametrize("sign", ["\x00", "\x0b", "\x1b", "\x7f", "\x85", "\u2028", "\u202e"])
def test_a_control_character_in_an_id_or_a_name_costs_the_row(
    tmp_path: Path, leagues: Leagues, column: str, sign: str
) -> None:
    reading = read(tmp_path, leagues, row(**{column: f"a{sign}b"}), OTHER)
    assert [game.game_id for game in only(reading).games] == ["g2"]
    (item,) = reading.rejected
    assert (item.fact, item.place) == ("row", "games.csv:2")
    assert item.reason == f"{column}: has the control character U+{ord(sign):04X} at position 2"


def test_a_control_character_in_a_bookmaker_costs_its_quotes(tmp_path: Path, leagues: Leagues) -> None:
    reading = read(tmp_path, leagues, row(odds_kind="a\x1b[2J"))
    assert len(only(reading).games) == len(only(reading).results) == 1
    assert only(reading).quotes == []
    assert {(item.fact, item.reason) for item in reading.rejected} == {
        ("quote", "book: has the control character U+001B at position 2")
    }

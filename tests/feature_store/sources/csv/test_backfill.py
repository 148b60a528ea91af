"""CSV archives into the archive: any number of times, corrected, damaged and at once."""

import gzip
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.database.transactions import reading
from core.errors import ValidationError
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.archive.store import Recorded
from feature_store.archive.versions import INSTANT
from feature_store.sources.csv.backfill import backfill
from tests.conftest import NOW
from tests.feature_store.sources.csv.test_reader import GOOD, OTHER, START, row, text_of

LATER = NOW + timedelta(days=1)
ENDED = START + timedelta(hours=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "csv"
    made.mkdir()
    return made


def quarantined(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(tables.quarantine)) or 0


def test_a_folder_is_read_file_by_file_and_a_second_run_adds_nothing(
    database: Engine, leagues: Leagues, folder: Path
) -> None:
    (folder / "b.csv").write_text(text_of(GOOD))
    (folder / "a.csv.gz").write_bytes(gzip.compress(text_of(OTHER).encode()))
    (folder / "readme.txt").write_text("not a table")
    heard: list[tuple[str, int, int]] = []
    first = backfill(
        database, leagues, [folder], now=NOW, on_file=lambda path, done, of: heard.append((path.name, done, of))
    )
    assert heard == [("a.csv.gz", 0, 2), ("b.csv", 1, 2)]
    assert (first.files, first.rows, first.added, first.rejected) == (2, 2, 8, 0)
    assert first.recorded == {"EPL": Recorded(games=2, results=2, quotes=4)}
    second = backfill(database, leagues, [folder], now=LATER)
    assert (second.rows, second.added) == (2, 0)
    assert second.recorded == {"EPL": Recorded(unchanged=8)}


def test_a_corrected_file_is_known_from_now_on_and_the_old_value_is_what_was_known_before(
    database: Engine, leagues: Leagues, folder: Path
) -> None:
    (folder / "a.csv").write_text(text_of(GOOD, OTHER))
    backfill(database, leagues, [folder], now=NOW)
    (folder / "a.csv").write_text(text_of(row(home_score="4"), OTHER))
    corrected = backfill(database, leagues, [folder], now=LATER)
    assert corrected.recorded == {"EPL": Recorded(results=1, corrections=1, unchanged=7)}
    for moment, score in [(ENDED, 2), (NOW, 2), (LATER - timedelta(microseconds=1), 2), (LATER, 4)]:
        results = archive.load(database, leagues.get("EPL"), moment).results
        assert [one.home_score for one in results if one.game_id == "g1"][-1] == score
    assert backfill(database, leagues, [folder], now=LATER + timedelta(days=1)).added == 0


EARLIER, MOVED_LATER = "2024-04-20T14:00:00Z", "2024-04-29T14:00:00Z"


@pytest.mark.parametrize("before", ["2024-04-27T14:00:00Z", ""], ids=["kick-off", "bare date"])
@pytest.mark.parametrize("start", [EARLIER, MOVED_LATER], ids=["earlier", "later"])
@pytest.mark.parametrize("score", ["2", "4"], ids=["same score", "another score"])
def test_a_corrected_start_is_known_from_the_import_on_whether_it_moves_the_game_back_or_forth(
    before: str, start: str, score: str, sqlite_database: Engine, leagues: Leagues, folder: Path
) -> None:
    first, moved = row(kickoff_utc=before), row(kickoff_utc=start, home_score=score)
    (folder / "a.csv").write_text(text_of(first))
    backfill(sqlite_database, leagues, [folder], now=NOW)
    just_before = LATER - INSTANT
    known = archive.load(sqlite_database, leagues.get("EPL"), just_before).sha256()
    (folder / "a.csv").write_text(text_of(moved))
    assert backfill(sqlite_database, leagues, [folder], now=LATER).recorded["EPL"].corrections == 2

    held = archive.load(sqlite_database, leagues.get("EPL"), LATER)
    assert held.known_by(just_before).games == held.games[:1]
    assert held.known_by(just_before).results == held.results[:1]
    assert (held.games[-1].known_at, held.games[-1].start_at.isoformat()) == (LATER, start.replace("Z", "+00:00"))
    assert (held.results[-1].known_at, held.results[-1].home_score) == (LATER, int(score))
    if start == MOVED_LATER:
        assert archive.load(sqlite_database, leagues.get("EPL"), just_before).sha256() == known

    for text in (moved, first, moved):
        (folder / "a.csv").write_text(text_of(text))
        assert backfill(sqlite_database, leagues, [folder], now=LATER + timedelta(days=1)).added == 0


def test_the_price_of_a_game_whose_kick_off_is_told_later_is_known_at_the_kick_off(
    sqlite_database: Engine, leagues: Leagues, folder: Path
) -> None:
    """The usual upgrade of an archive: bare dates, which stand for 16:00 UTC, become times of day."""
    for number, kickoff in enumerate(("", "2024-04-27T14:00:00Z")):
        (folder / "a.csv").write_text(text_of(row(kickoff_utc=kickoff)))
        backfill(sqlite_database, leagues, [folder], now=NOW + number * timedelta(days=1))
    quotes = archive.load(sqlite_database, leagues.get("EPL"), START).quotes
    assert [(one.known_at, one.odds_home) for one in quotes if one.moment == "close"] == [(START, 1.8)]


def test_damage_is_counted_by_reason_and_quarantined_once(database: Engine, leagues: Leagues, folder: Path) -> None:
    name = "long" * 30 + ".csv"
    rows = [OTHER, row(league="EPLX"), row(game_id="g3", odds_home="1.0"), row(game_id="g4", home_score="x")]
    (folder / name).write_text(text_of(*rows))
    for _run in range(2):
        report = backfill(database, leagues, [folder], now=NOW)
        assert report.rejected == 3
        assert sorted(reason.split(":")[0] for reason in report.reasons) == ["quote", "result", "row"]
    assert quarantined(database) == 3
    assert archive.count_games(database) == {"EPL": 3}


def test_a_file_that_cannot_be_read_keeps_none_of_the_others_back(
    database: Engine, leagues: Leagues, folder: Path
) -> None:
    (folder / "a.csv.gz").write_bytes(gzip.compress(text_of(GOOD).encode())[:40])
    (folder / "b.csv").write_text("league,game_id\n")
    (folder / "c.csv").write_text(text_of(OTHER))
    with pytest.raises(ValidationError) as refused:
        backfill(database, leagues, [folder], now=NOW)
    assert [line.split(": ")[0].split("/")[-1] for line in refused.value.message.splitlines()] == ["a.csv.gz", "b.csv"]
    assert "other 1 of 3 files are in the archive (4 facts added)" in refused.value.hint
    assert archive.count_games(database) == {"EPL": 1}


@pytest.mark.parametrize(
    ("path", "named"), [("nowhere", ".*nowhere does not exist"), ("", "no .csv or .csv.gz file in")]
)
def test_a_path_without_a_table_is_a_sentence(
    path: str, named: str, sqlite_database: Engine, leagues: Leagues, folder: Path
) -> None:
    with pytest.raises(ValidationError, match=f"PATH: {named}"):
        backfill(sqlite_database, leagues, [folder / path], now=NOW)


def test_texts_as_long_as_the_archive_holds_them_are_stored(database: Engine, leagues: Leagues, folder: Path) -> None:
    longest = row(game_id="ü" * 120, home_team="é" * 150, away_team="東" * 150, odds_kind="b" * 64, home_score="40")
    (folder / "a.csv").write_text(text_of(longest))
    assert backfill(database, leagues, [folder], now=NOW).added == 4


def test_two_backfills_at_once_double_nothing(database: Engine, leagues: Leagues, folder: Path) -> None:
    rows = [row(game_id=f"g{number}", home_score="x" if number % 10 == 0 else "1") for number in range(100)]
    (folder / "a.csv").write_text(text_of(*rows))
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _run: backfill(database, leagues, [folder], now=NOW), range(2)))
    assert sorted(report.added for report in reports) == [0, 390]
    assert quarantined(database) == 10


def test_the_development_data_lose_only_what_cannot_be_true(
    sqlite_database: Engine, leagues: Leagues, development_data: Path
) -> None:
    report = backfill(sqlite_database, leagues, [development_data / "NBA.csv.gz"], now=NOW)
    assert report.rows == report.recorded["NBA"].games == report.recorded["NBA"].results + 1
    assert report.reasons == {
        "result: home_score: NBA games cannot end level, got 95-95": 1,
        "quote: close spread -3.5 has the opposite sign: the odds 1.625, 2.4 give the away side 40.4%": 1,
        "quote: open total_line: expected 0 to 500, got 1955.5": 1,
    }


def test_seasons_that_a_file_does_not_state_are_guessed_with_the_archive_and_counted(
    sqlite_database: Engine, leagues: Leagues, folder: Path
) -> None:
    def games(*days: str) -> str:
        return text_of(*(row(game_id=day, kickoff_utc="", game_date=day) for day in days))

    (folder / "a.csv").write_text(games("2019-08-10", "2020-03-08", "2020-06-20", "2020-09-12", "2021-05-20"))
    first = backfill(sqlite_database, leagues, [folder], now=NOW)
    assert first.guessed_seasons == {"EPL": {2019: 3, 2020: 2}}
    (folder / "a.csv").write_text(games("2020-07-26"))
    assert backfill(sqlite_database, leagues, [folder], now=NOW).guessed_seasons == {"EPL": {2019: 1}}
    stated = backfill(sqlite_database, leagues, [folder], now=NOW)
    assert (stated.added, archive.load(sqlite_database, leagues.get("EPL")).games[-1].season) == (0, 2020)


def test_an_id_that_a_newer_edition_of_a_file_lacks_is_reported_with_its_new_one(
    sqlite_database: Engine, leagues: Leagues, folder: Path
) -> None:
    def edition(day: str) -> str:
        days = ("2024-04-01", day, "2024-04-20")
        return text_of(*(row(game_id=each, kickoff_utc="", game_date=each) for each in days))

    (folder / "a.csv").write_text(edition("2024-04-10"))
    assert backfill(sqlite_database, leagues, [folder], now=NOW).moved == {}
    (folder / "a.csv").write_text(edition("2024-04-11"))
    moved = backfill(sqlite_database, leagues, [folder], now=LATER).moved
    assert moved == {"EPL": [("2024-04-10", "2024-04-11")]}
    assert backfill(sqlite_database, leagues, [folder], now=LATER).moved == {}

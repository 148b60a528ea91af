"""A file that loses much to quarantine is reported with its reasons and their first lines."""

from pathlib import Path

import pytest

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.sources.csv.loss import FileLoss, measure_loss
from feature_store.sources.csv.reader import read_csv

HEADER = "league,game_id,game_date,home_team,away_team,home_score,away_score,odds_home,odds_draw,odds_away"


def line(number: int, score: str = "1", odds: str = "2.0") -> str:
    return f"EPL,g{number},2003-08-16,H{number},A{number},{score},0,{odds},3.5,4.0"


def loss(folder: Path, *lines: str) -> FileLoss | None:
    (folder / "a.csv").write_text("\n".join((HEADER, *lines)))
    return measure_loss("a.csv", read_csv(folder / "a.csv", Leagues(BUILT_IN)))


@pytest.mark.parametrize(("damaged", "is_much"), [(0, False), (2, False), (3, True), (100, True)])
def test_more_than_two_rows_of_a_hundred_are_much(damaged: int, is_much: bool, tmp_path: Path) -> None:
    found = loss(tmp_path, *(line(number, "x" if number < damaged else "1") for number in range(100)))
    assert (found is not None) is is_much


def test_all_facts_of_one_kind_are_much_however_large_the_file_is(tmp_path: Path) -> None:
    bare = [line(number).rsplit(",", 3)[0] + ",,," for number in range(200)]
    assert loss(tmp_path, *bare) is None
    found = loss(tmp_path, *bare, line(200, odds="0.5"))
    assert found is not None
    assert (found.damaged_rows, found.lost_kinds) == (1, ["quotes"])
    assert loss(tmp_path, *bare, line(200, odds="0.5"), line(201)) is None


def test_a_row_counts_once_and_reasons_come_without_the_value_that_was_read(tmp_path: Path) -> None:
    found = loss(tmp_path, *(line(number, f"x{number}", "y") for number in range(5)), line(5))
    assert found is not None
    assert (found.rows, found.damaged_rows, found.lost_kinds) == (6, 5, [])
    assert str(found) == "a.csv: in quarantine are facts of 5 of 6 rows (83.3%)"
    assert [(one.fact, one.reason, one.count, len(one.lines)) for one in found.reasons] == [
        ("result", "home_score: expected a whole number, got ...", 5, 3),
        ("quote", "odds_home: expected a number, got 'y'", 5, 3),
    ]
    first = "a.csv:2: home_score: expected a whole number, got 'x0': league=EPL,game_id=g0"
    assert found.reasons[0].lines[0].startswith(first)

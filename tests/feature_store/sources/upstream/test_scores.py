"""Final scores are upstream's, and what is no score is none."""

from typing import Any

import pytest

from feature_store.sources.bot.reading import Reading
from tests.bot_database import football, hockey, hockey_record, soccer, soccer_record, totals_record
from tests.feature_store.sources.bot.test_reading import AFTER, read, reasons


def score(reading: Reading) -> tuple[int | None, int | None] | None:
    return None if reading.result is None else (reading.result.home_score, reading.result.away_score)


def regulation(reading: Reading) -> tuple[int | None, int | None]:
    assert reading.result is not None
    return reading.result.home_score_regulation, reading.result.away_score_regulation


def test_a_hockey_score_is_the_upstream_one_and_not_the_bots_0_0() -> None:
    raw = hockey_record((4, 3), "1-1", "1-0", "1-2", "1-0")
    reading = read(hockey("1", status="AOT", score={"home": 0, "away": 0}, raw_json=raw, fetched_at=AFTER))
    assert score(reading) == (4, 3)
    assert regulation(reading) == (3, 3)
    assert reading.rejected == []


@pytest.mark.parametrize("raw", [{}, hockey_record((0, 0))])
def test_a_final_0_0_in_hockey_is_unknown(raw: dict[str, Any]) -> None:
    reading = read(hockey("1", status="Finished", score={"home": 0, "away": 0}, raw_json=raw, fetched_at=AFTER))
    assert reading.game is not None
    assert reading.result is None
    assert "result: final 0-0 in ice_hockey" in reasons(reading)


def fight(first: object, second: object) -> dict[str, Any]:
    raw = {"fighters": {"first": {"name": "A", "winner": first}, "second": {"name": "B", "winner": second}}}
    row = soccer("1", sport="MMA", league_id="1", league_name="MMA", status="Fight Finished", fetched_at=AFTER)
    return {**row, "score": {"home": 0, "away": 0}, "raw_json": raw}


@pytest.mark.parametrize(("first", "second", "expected"), [(True, False, (1, 0)), (False, True, (0, 1))])
def test_a_fight_is_won_by_the_fighter_whom_upstream_calls_the_winner(
    first: object, second: object, expected: tuple[int, int]
) -> None:
    reading = read(fight(first, second))
    assert (score(reading), reading.rejected) == (expected, [])


@pytest.mark.parametrize("winner", [None, False, True])
def test_a_final_0_0_of_a_fight_without_one_winner_is_unknown(winner: object) -> None:
    assert "result: final 0-0 in mma" in reasons(read(fight(winner, winner)))
    assert "result: final 0-0 in mma" in reasons(read({**fight(None, None), "raw_json": {}}))


def test_a_final_0_0_in_soccer_is_a_result() -> None:
    level = {"home": 0, "away": 0}
    assert score(read(soccer("1", status="FT", raw_json=soccer_record((0, 0)), fetched_at=AFTER))) == (0, 0)
    assert score(read(soccer("1", status="FT", score=level, raw_json={}, fetched_at=AFTER))) == (0, 0)


@pytest.mark.parametrize("raw", [{"fixture": {"id": 1}}, soccer_record((None, None))])
def test_a_final_0_0_is_unknown_where_upstreams_record_tells_no_score(raw: dict[str, Any]) -> None:
    reading = read(soccer("1", status="FT", score={"home": 0, "away": 0}, raw_json=raw, fetched_at=AFTER))
    assert reading.result is None
    assert "result: final 0-0 in soccer" in reasons(reading)
    final = read(soccer("1", status="FT", score={"home": 2, "away": 1}, raw_json=raw, fetched_at=AFTER))
    assert score(final) == (2, 1)


def test_a_soccer_score_counts_extra_time_but_not_the_shoot_out() -> None:
    raw = soccer_record((3, 3), fulltime=(2, 2), extratime=(1, 1), penalty=(4, 2))
    reading = read(soccer("1", status="PEN", raw_json=raw, fetched_at=AFTER))
    assert score(reading) == (3, 3)
    assert regulation(reading) == (2, 2)


def test_a_soccer_score_without_goals_is_added_up_from_its_parts() -> None:
    raw = soccer_record((None, None), fulltime=(2, 2), extratime=(1, 0))
    assert score(read(soccer("1", status="AET", raw_json=raw, fetched_at=AFTER))) == (3, 2)


def test_totals_are_found_in_american_football_and_in_afl() -> None:
    assert score(read(football("1", status="FT", raw_json=totals_record(27, 24), fetched_at=AFTER))) == (27, 24)
    raw = {"scores": {"home": {"score": 95, "goals": 14}, "away": {"score": 80, "goals": 12}}}
    afl = football("1", sport="Afl", league_id="1", league_name="AFL", status="FT", raw_json=raw, fetched_at=AFTER)
    assert score(read(afl)) == (95, 80)


def test_the_score_column_counts_where_upstream_gives_none() -> None:
    row = soccer("1", status="Match Finished", score={"home": 2, "away": 1}, fetched_at=AFTER)
    assert score(read(row)) == (2, 1)
    assert regulation(read(row)) == (None, None)


@pytest.mark.parametrize(
    "stored", ["{'home': 2, 'away': 1}", '"{\\"home\\": 2, \\"away\\": 1}"', {"home": 2, "away": "1"}]
)
def test_a_score_is_read_from_python_notation_nested_text_and_objects(stored: object) -> None:
    assert score(read(soccer("1", status="FT", score=stored, fetched_at=AFTER))) == (2, 1)


def test_a_column_that_cannot_be_read_is_named_and_the_game_is_kept() -> None:
    reading = read(soccer("1", status="FT", raw_json="{'goals': ", score={"home": 2, "away": 1}, fetched_at=AFTER))
    assert reading.game is not None
    assert score(reading) == (2, 1)
    assert reasons(reading) == "result: raw_json cannot be read: neither JSON nor Python notation"


@pytest.mark.parametrize(
    "stored", [{"home": 2}, {"home": -1, "away": 0}, {"home": True, "away": 0}, {"home": 1.5, "away": 0}]
)
def test_a_final_without_two_whole_scores_is_no_result(stored: dict[str, Any]) -> None:
    reading = read(soccer("1", status="FT", score=stored, fetched_at=AFTER))
    assert reading.result is None
    assert "result: final, but neither raw_json nor score" in reasons(reading)


def test_a_level_final_is_damage_where_ties_are_impossible() -> None:
    reading = read(hockey("1", status="FT", raw_json=hockey_record((2, 2)), fetched_at=AFTER))
    assert reading.result is None
    assert reasons(reading) == "result: final 2-2, but NHL has no ties"


def test_a_score_that_the_sport_cannot_have_is_no_result() -> None:
    reading = read(soccer("1", status="FT", raw_json=soccer_record((9999, 9999)), fetched_at=AFTER))
    assert (reading.result, reading.game is not None) == (None, True)
    assert reasons(reading) == "result: final 9999-9999: a side has at most 40 in soccer"


def test_a_score_before_the_end_is_no_result() -> None:
    reading = read(soccer("1", status="HT", raw_json=soccer_record((1, 0)), fetched_at=AFTER))
    assert reading.result is None
    assert reading.rejected == []

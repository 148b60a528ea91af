"""One row of the bot's feed becomes facts, and what is wrong with it costs only the fact it would have been."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.sources.bot.moments import Zones
from feature_store.sources.bot.reading import Reading, read_row
from feature_store.sources.seasons import UNSTATED
from feature_store.sources.upstream.json_fields import RejectedValueError, decode
from feature_store.sources.upstream.status import status_of
from tests.bot_database import football, hockey, odds_record, soccer, soccer_record, totals_record, wall

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
START = datetime(2024, 4, 30, 19, tzinfo=UTC)
AFTER = wall("2024-04-30 23:00")
ZONES = Zones.named("UTC", "America/New_York")
LEAGUES = Leagues(BUILT_IN)


def read(row: dict[str, Any], *, zones: Zones = ZONES) -> Reading:
    league = LEAGUES.of_feed(row["sport"], row["league_id"], row["league_name"])
    assert league is not None
    return read_row({"id": 7, **row}, league, now=NOW, zones=zones)


def reasons(reading: Reading) -> str:
    return "; ".join(f"{item.fact}: {item.reason}" for item in reading.rejected)


@pytest.mark.parametrize(
    ("status", "texts"),
    [
        ("scheduled", "NS|TBD|Not Started|Scheduled|scheduled|upcoming|Time To Be Defined"),
        ("live", "1H|HT|2H|ET|BT|P|LIVE|live|Second Half|First Half|Halftime|Q1|Q4|OT|P1|P3|PT|IN1|IN9|In Progress"),
        (
            "final",
            "FT|AET|PEN|AOT|AP|Match Finished|Finished|finished|Game Finished|Fight Finished|Final|Ended|COMPLETED",
        ),
        ("final", "After Over Time|After Extra Time|After Penalties"),
        ("void", "PST|POST|CANC|ABD|AWD|AW|WO|SUSP|INT|INTR|Match Cancelled|Match Postponed|Match Suspended"),
        ("void", "Match Interrupted|Cancelled|Canceled|Postponed|Suspended|Interrupted|Abandoned|match abandoned"),
        ("unknown", "Manual|won|"),
    ],
)
def test_a_status_is_read_in_its_long_and_its_short_form_in_any_case(status: str, texts: str) -> None:
    for text in texts.split("|"):
        assert status_of(text, "soccer") == status, text
        assert status_of(f" {text.upper()} ", "soccer") == status, text


@pytest.mark.parametrize(
    ("sport", "status", "texts"),
    [
        ("mma", "scheduled", "WO|Walkouts|Walk-outs|IN|Intro|PF|Pre-fight|NS"),
        ("mma", "live", "EOR|End of Round|LIVE|In Progress|Round 2|R3"),
        ("mma", "void", "CANC|PST|No Contest"),
        ("handball", "void", "WO|Walkover"),
        ("volleyball", "live", "S1|S5|Set 1|Set 5|4th set"),
        ("tennis", "live", "Set 2|S3"),
        ("afl", "live", "QT|Q3|Quarter-Time"),
        ("baseball", "live", "IN1|IN14|Inning 3|Top 5th|Bottom of the 9th|End of 7th inning"),
        ("ice_hockey", "live", "P2|3rd Period|End of 1st period|PT|OT|Intermission"),
        ("basketball", "live", "Quarter 4|End of 2nd quarter|OT2"),
        ("ice_hockey", "unknown", "Intro|Walkouts|3|first|second"),
        ("baseball", "unknown", "IN"),
    ],
)
def test_a_status_word_means_what_it_means_in_its_sport(sport: str, status: str, texts: str) -> None:
    for text in texts.split("|"):
        assert status_of(text, sport) == status, text
        assert status_of(f" {text.lower()} ", sport) == status, text


def test_a_status_that_the_column_of_twenty_characters_has_cut_off_is_recognised() -> None:
    for whole, status in (("Finished After Penalties", "final"), ("Second Half, 2nd Half Started", "live")):
        assert status_of(whole[:20], "soccer") == status
    assert status_of("Finished Aft", "soccer") == "unknown"


def test_a_status_that_the_column_does_not_tell_is_taken_from_the_upstream_record() -> None:
    row = football("1", status=None, raw_json={"game": {"status": {"short": "FT", "long": "Finished"}}})
    assert read(row).game is not None
    assert read(row).game.status == "final"  # type: ignore[union-attr]


def test_a_start_without_a_zone_is_wall_time_of_the_writers_zone() -> None:
    """The live fetcher writes UTC beside upstream's record, the comprehensive one US Eastern and no record."""
    assert read(soccer("1")).game.start_at == START  # type: ignore[union-attr]
    assert read(soccer("1", raw_json="{'goals': ")).game.start_at == START  # type: ignore[union-attr]
    for nothing in ("", "{}", {}, None):
        assert read(soccer("1", raw_json=nothing)).game.start_at == START + timedelta(hours=4)  # type: ignore[union-attr]
    other = Zones.named("Europe/Athens", "UTC")
    assert read(soccer("1"), zones=other).game.start_at == START - timedelta(hours=3)  # type: ignore[union-attr]
    assert read(soccer("1", raw_json=""), zones=other).game.start_at == START  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "raw",
    [
        {"fixture": {"date": "2024-04-30T21:00:00+02:00"}},
        {"date": "2024-04-30T19:00:00+00:00"},
        {"timestamp": 1714503600},
        {"game": {"date": {"timezone": "UTC", "date": "2024-04-30", "time": "19:00", "timestamp": 1714503600}}},
    ],
)
def test_upstreams_own_start_wins_when_it_tells_its_zone(raw: dict[str, Any]) -> None:
    assert read(soccer("1", start_time=wall("2024-04-30 15:00"), raw_json=raw)).game.start_at == START  # type: ignore[union-attr]


def test_upstreams_start_without_a_zone_does_not_count() -> None:
    assert read(soccer("1", raw_json={"date": "2024-04-30T08:00:00"})).game.start_at == START  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"start_time": None}, "start_time is empty"),
        ({"start_time": "0000-00-00 00:00:00"}, "start_time is empty"),
        ({"home_team_name": None}, "home_team_name is empty"),
        ({"away_team_name": " "}, "away_team_name is empty"),
        ({"away_team_name": "ARSENAL"}, "home_team_name and away_team_name are the same"),
        ({"api_game_id": ""}, "api_game_id is empty"),
    ],
)
def test_a_row_without_teams_start_or_id_is_lost_with_its_reason(columns: dict[str, Any], reason: str) -> None:
    reading = read(soccer("1", **columns))
    assert reading.game is None
    assert f"row: {reason}" in reasons(reading)
    assert reading.rejected[0].place == "api_games id=7"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("0000-00-00 00:00:00", ""),
        ("0000-00-00", ""),
        ("", ""),
        (None, ""),
        ("2024-00-10 00:00:00", "result: end_time is not a moment that can be read"),
        ("after midnight", "result: end_time is not a moment that can be read"),
        (datetime(1, 1, 1), "result: end_time is not a moment that can be read"),  # noqa: DTZ001 - as drivers give it
        (wall("1970-01-01 00:00"), "result: end_time 1970-01-01T00:00:00+00:00 lies before start_time"),
        (wall("2024-04-30 18:00"), "end_time 2024-04-30T18:00:00+00:00 lies before start_time 2024-04-30T19:00:00+00"),
    ],
)
def test_an_end_that_makes_no_sense_is_named_and_costs_no_result(end: object, reason: str) -> None:
    reading = read(soccer("1", status="FT", raw_json=soccer_record((1, 0)), end_time=end, fetched_at=AFTER))
    assert reading.result is not None
    assert (reading.result.home_score, reading.result.finished_at) == (1, START + timedelta(hours=2))
    assert reason in reasons(reading)
    assert bool(reason) == bool(reading.rejected)


def test_a_finish_is_the_end_told_else_the_usual_length_but_not_after_the_fetch() -> None:
    final = soccer("1", status="FT", raw_json=soccer_record((1, 0)), fetched_at=AFTER)
    stated, usual, early = (
        read({**final, **columns}).result
        for columns in ({"end_time": wall("2024-04-30 20:50")}, {}, {"fetched_at": wall("2024-04-30 20:55")})
    )
    assert stated is not None
    assert usual is not None
    assert early is not None
    assert stated.finished_at == START + timedelta(minutes=110)
    assert usual.finished_at == START + timedelta(hours=2)
    assert early.finished_at == START + timedelta(minutes=115)


def test_a_final_fetched_before_its_start_is_no_result() -> None:
    reading = read(soccer("1", status="FT", raw_json=soccer_record((1, 0))))
    assert reading.result is None
    assert "fetched before its start" in reasons(reading)


def test_facts_are_known_from_the_look_on_however_long_the_bot_had_them() -> None:
    odds = odds_record("Bet365", "Match Winner", home="2.10", draw="3.40", away="3.60")
    reading = read(soccer("1", odds=odds, status="FT", raw_json=soccer_record((1, 0)), fetched_at=AFTER))
    assert reading.game is not None
    assert reading.result is not None
    assert {reading.game.known_at, reading.result.known_at, reading.quotes[0].known_at} == {NOW}
    assert reading.quotes[0].quoted_at == reading.fetched_at == AFTER.replace(tzinfo=UTC)


def test_no_fetch_lies_in_the_future() -> None:
    assert read(soccer("1", fetched_at=wall("2024-05-02 00:00"))).fetched_at == NOW
    assert read(soccer("1", fetched_at=None)).fetched_at == NOW


@pytest.mark.parametrize(
    ("columns", "season"),
    [
        ({"season": "2022"}, 2022),
        ({"raw_json": {"league": {"season": 2023}}}, 2023),
        ({"season": "spring", "raw_json": {"league": {"season": "2023-2024"}}}, 2023),
        ({}, UNSTATED),
    ],
)
def test_a_season_is_that_of_the_column_else_upstreams(columns: dict[str, Any], season: int) -> None:
    assert read(soccer("1", **columns)).game.season == season  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "stage",
    ["Semi-finals", "Quarter-finals", "Quarterfinal", "Final", "1/8-finals", "Round of 16", "Post Season", "Playoffs",
     "Knockout Round Play-offs", "Wild Card", "Wildcard", "Divisional Round", "Conference Championships", "Super Bowl",
     "World Series", "Division Series", "Championship Series", "NBA - Finals"],
)  # fmt: skip
def test_a_playoff_game_is_told_by_its_stage(stage: str) -> None:
    for raw in (soccer_record((0, 0), stage=stage), {"game": {"week": stage}}, {"game": {"stage": stage}}):
        assert read(soccer("1", raw_json=raw)).game.playoff  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "stage", ["Regular Season - 35", "Quarterly Meeting", "Week 7", "Group Stage", "Semipro", "16"]
)
def test_other_stages_are_no_playoff(stage: str) -> None:
    for raw in (soccer_record((0, 0), stage=stage), {"game": {"week": stage}}):
        assert not read(soccer("1", raw_json=raw)).game.playoff  # type: ignore[union-attr]


@pytest.mark.parametrize("stage", ["Pre Season", "Preseason", "pre-season - 2", "Spring Training"])
def test_nothing_of_a_preseason_game_is_kept(stage: str) -> None:
    raw = {**totals_record(20, 17), "game": {"stage": stage, "week": "Week 1"}}
    reading = read(football("1", status="FT", raw_json=raw, fetched_at=AFTER))
    assert reading.stage == "preseason"
    assert (reading.game, reading.result, reading.quotes, reading.rejected) == (None, None, [], [])
    assert read(football("1")).counts


def test_all_markets_of_several_books_are_read_and_a_wrong_one_costs_itself() -> None:
    total = {
        "name": "Goals Over/Under",
        "values": _values(**{"Over 2.5": "1.85", "Under 2.5": "2.00", "Over 3.5": "3.4"}),
    }
    spread = {
        "name": "Asian Handicap",
        "values": _values(**{"Home -0.5": "1.93", "Away -0.5": "1.95", "Home -1": "2.7"}),
    }
    winner = {"name": "Match Winner", "values": _values(Home="1.95", Draw="3.60", Away="4.10")}
    wrong = {"name": "Match Winner", "values": _values(Home="0.95", Draw="3.60", Away="4.10")}
    both = {"name": "Both Teams Score", "values": _values(Yes="1.8", No="1.95")}
    books = [{"name": "Bet365", "bets": [winner, spread, total, both]}, {"name": "Bwin", "bets": [wrong, total]}]
    reading = read(soccer("1", odds={"bookmakers": books}))
    assert {quote.book: quote[5:] for quote in reading.quotes} == {
        "Bet365": (1.95, 3.6, 4.1, 0.5, 2.5, 1.85, 2.0, 1.93, 1.95, 1.8, 1.95),
        "Bwin": (None, None, None, None, 2.5, 1.85, 2.0, None, None, None, None),
    }
    assert reasons(reading) == "quote: odds of Bwin are not a decimal number above 1"


@pytest.mark.parametrize(
    ("handicaps", "line"),
    [
        ({"Home -1": "2.34", "Away -1": "1.60", "Home -0.75": "1.92", "Away -0.75": "1.95"}, 0.75),
        ({"Home -5.5": "1.90", "Away +5.5": "1.92", "Home -9.5": "2.60", "Away +9.5": "1.50"}, 5.5),
        ({"Home +3.5": "1.90", "Away -3.5": "1.92"}, -3.5),
        ({"Home 0": "1.90", "Away 0": "1.92"}, 0.0),
        ({"Home -1": "1.90", "Away -2": "1.92", "Draw -1": "3.4"}, None),
        ({"-1": "1.90", "Over 2": "1.92"}, None),
    ],
)
def test_the_main_line_of_a_handicap_is_found_in_either_notation(handicaps: dict[str, str], line: float | None) -> None:
    bookmaker = {"name": "Bwin", "bets": [{"name": "Asian Handicap", "values": _values(**handicaps)}]}
    quotes = read(soccer("1", odds={"bookmakers": [bookmaker]})).quotes
    assert [quote.spread_line for quote in quotes] == ([] if line is None else [line])


def _values(**odds: str) -> list[dict[str, str]]:
    return [{"value": value, "odd": odd} for value, odd in odds.items()]


def test_odds_become_a_quote_per_book() -> None:
    odds = odds_record("Bet365", "Match Winner", home="2.10", draw="3.40", away="3.60")
    (quote,) = read(soccer("1", odds=odds)).quotes
    assert (quote.book, quote.moment, quote.quoted_at) == ("Bet365", "last", datetime(2024, 4, 30, 12, tzinfo=UTC))
    assert (quote.odds_home, quote.odds_draw, quote.odds_away) == (2.10, 3.40, 3.60)
    (quote,) = read(football("1", odds=odds_record("Bwin", "Home/Away", home="1.5", away="2.6")["response"][0])).quotes
    assert (quote.odds_home, quote.odds_draw, quote.odds_away) == (1.5, None, 2.6)


def test_a_price_on_regulation_time_is_none_on_a_two_way_game() -> None:
    odds = odds_record("Bet365", "Match Winner", home="2.10", draw="3.40", away="3.60")
    assert read(hockey("1", odds=odds)).quotes == []


@pytest.mark.parametrize("odd", ["1.00", "-110", "evens", "inf"])
def test_odds_that_are_no_decimal_price_are_rejected(odd: str) -> None:
    reading = read(football("1", odds=odds_record("Bwin", "Home/Away", home=odd, away="2.6")))
    assert reading.quotes == []
    assert reasons(reading) == "quote: odds of Bwin are not a decimal number above 1"


def test_a_mistyped_price_of_one_book_is_rejected_and_the_other_books_stay() -> None:
    books = [
        odds_record(book, "Home/Away", home=home, away="2.6")["response"][0]["bookmakers"][0]
        for book, home in (("Bwin", "1.5"), ("Typo", "15"))
    ]
    reading = read(football("1", odds={"bookmakers": books}))
    assert [quote.book for quote in reading.quotes] == ["Bwin"]
    assert reasons(reading).startswith("quote: Typo: last moneyline 15, 2.6: the overround -54.9%")


_KEYS = (
    *("home", "away", "total", "score", "scores", "goals", "fulltime"),
    *("periods", "first", "second", "third", "date", "timestamp", "fixture"),
    *("game", "league", "season", "round", "status", "long", "short"),
    *("response", "bookmakers", "bets", "name", "values", "value", "odd"),
)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["3", "2-1", "FT"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(raw=_ANYTHING, stored=_ANYTHING, odds=_ANYTHING, season=_ANYTHING, start=st.none() | st.datetimes() | st.text())
def test_no_content_of_a_row_raises(raw: object, stored: object, odds: object, season: object, start: object) -> None:
    for make in (soccer, hockey, football):
        columns = {"raw_json": raw, "score": stored, "odds": odds, "season": season, "start_time": start}
        reading = read(make("1", status="FT", fetched_at=AFTER, **columns))
        assert reading.game is not None or reading.rejected


@pytest.mark.parametrize("column", ["api_game_id", "home_team_name", "away_team_name"])
def test_a_control_character_in_an_id_or_a_name_costs_the_row(column: str) -> None:
    reading = read(soccer("1", **{column: "a\nb"}))
    assert reading.game is None
    (item,) = reading.rejected
    assert (item.fact, item.reason.partition(": ")[2]) == ("row", "has the control character U+000A at position 2")


def test_python_notation_of_megabytes_is_refused_unread() -> None:
    text = "[" + "1," * 1_000_000 + "]"
    with pytest.raises(RejectedValueError, match="longer than 100000 characters"):
        decode("score", text)
    assert decode("score", "{'home': 1, 'note': '" + "x" * 10_000 + "'}") == {"home": 1, "note": "x" * 10_000}
    assert decode("score", json.dumps(list(range(100_000)))) == list(range(100_000)), "JSON is read whatever its length"

"""Whatever bet is asked for, it is priced or refused: no market, line, odds or parlay ends in a server error."""

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.betting.markets import SELECTIONS
from serving.api.bet_schemas import LARGEST_LINE, LARGEST_ODDS, ParlayAnswer, Price
from serving.predictions.body import NOT_STATED
from tests.serving.service import Running

EXACT = 2**53
"""Whole numbers up to this one are exact in every JSON reader."""

GAMES = [("soccer", "EPL", "EPL-101"), ("soccer", "EPL", "EPL/104"), ("soccer", "EPL", "EPL-103")]
GAMES += [("american_football", "NFL", game) for game in ("NFL-101", "NFL-102", "NFL/104", "none")]

scores = st.builds("{}-{}".format, st.integers(0, 120), st.integers(0, 120))
lines = st.integers(-4 * LARGEST_LINE, 4 * LARGEST_LINE).map(lambda count: count / 4)
lines |= st.integers(-20, 130).map(lambda count: count / 4) | st.sampled_from([0.1, -0.0, 1e308, 5e-324])
odds = st.sampled_from([1.0, 1.0000000000000002, 1.01, 2.0, 99.9, 100, -100, -1e6, 1e6, 1e-300, 0, -5])
odds |= st.floats(-LARGEST_ODDS, LARGEST_ODDS)
formats = st.none() | st.sampled_from(["decimal", "american"])
bankrolls = st.sampled_from([0, 1e-9, 100, 1e9])


def present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


bets = st.sampled_from(sorted(SELECTIONS)).flatmap(
    lambda market: st.builds(
        present,
        market=st.just(market),
        selection=st.sampled_from([*SELECTIONS[market], "none"]) | scores,
        line=st.none() | lines,
    )
)


@pytest.fixture(scope="module")
def quick(service: Running) -> Running:
    return service


few = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(game=st.sampled_from(GAMES), bet=bets, offered=st.none() | odds, form=formats, bankroll=bankrolls)
def test_no_price_is_a_server_error(
    service: Running,
    game: tuple[str, str, str],
    bet: dict[str, Any],
    offered: float | None,
    form: str | None,
    bankroll: float,
) -> None:
    query = {**bet, **present(odds=offered, format=form), "bankroll": bankroll}
    answer = service.get(f"/v1/prices/{'/'.join(game)}", params=query)
    if answer.status_code == 200:
        Price.model_validate_json(answer.content)
    check(answer)


@few
@given(
    legs=st.lists(
        st.tuples(st.sampled_from(GAMES), st.lists(bets, min_size=1, max_size=3), odds, formats), min_size=1, max_size=6
    ),
    bankroll=bankrolls,
)
def test_no_parlay_is_a_server_error(service: Running, legs: list[Any], bankroll: float) -> None:
    listed = [
        {"sport": game[0], "league": game[1], "game_id": game[2], "bets": chosen, "odds": price, **present(format=form)}
        for game, chosen, price, form in legs
    ]
    answer = service.post("/v1/parlays", json={"legs": listed, "bankroll": bankroll})
    if answer.status_code == 200:
        ParlayAnswer.model_validate_json(answer.content)
    check(answer)


def check(answer: httpx.Response) -> None:
    assert answer.status_code in (200, 404, 422), answer.text
    assert all(abs(number) < EXACT for number in whole_numbers(answer.json()))


def whole_numbers(content: object) -> list[int]:
    if isinstance(content, dict):
        return whole_numbers(list(content.values()))
    if isinstance(content, list):
        return [number for item in content for number in whole_numbers(item)]
    return [content] if isinstance(content, int) else []


@pytest.mark.parametrize(
    "bet",
    [
        {"market": "correct_score", "selection": "0-19"},
        {"market": "total", "selection": "over", "line": 45.5},
        {"market": "correct_score", "selection": "150-150"},
        {"market": "total", "selection": "under", "line": 1000},
    ],
)
def test_odds_beyond_the_bound_are_null_with_a_note(service: Running, bet: dict[str, object]) -> None:
    price = Price.model_validate_json(service.get("/v1/prices/soccer/EPL/EPL-101", params=bet).content)
    assert price.fair_odds.model_dump() == {"decimal": None, "american": None, "note": NOT_STATED}
    leg = {"sport": "soccer", "league": "EPL", "game_id": "EPL-101", "bets": [bet], "odds": 2}
    parlay = ParlayAnswer.model_validate_json(service.post("/v1/parlays", json={"legs": [leg]}).content)
    assert parlay.fair_odds.note == parlay.legs[0].fair_odds.note == NOT_STATED


def test_odds_within_the_bound_have_no_note(service: Running) -> None:
    answer = service.get("/v1/prices/soccer/EPL/EPL-101", params={"market": "moneyline", "selection": "home"}).json()
    assert answer["fair_odds"].keys() == {"decimal", "american"}


def test_a_parlay_whose_odds_are_beyond_the_bound_has_no_value_and_no_stake(service: Running) -> None:
    bet = {"market": "moneyline", "selection": "home"}
    legs = [
        {"sport": sport, "league": league, "game_id": game, "bets": [bet], "odds": 1e6, "format": "decimal"}
        for sport, league, game in (GAMES[0], GAMES[1], GAMES[3])
    ]
    answer = service.post("/v1/parlays", json={"legs": legs})
    assert answer.json()["offer"] == {
        "decimal": None,
        "american": None,
        "value": None,
        "stake": 0,
        "reason": "odds_not_stated",
        "note": NOT_STATED,
    }
    assert answer.json()["legs"][0]["decimal"] == 1e6


def test_regulation_in_a_sport_without_overtime_is_refused_alone_and_in_a_parlay(service: Running) -> None:
    bet = {"market": "regulation", "selection": "home"}
    other = {"market": "total", "selection": "over", "line": 2.5}
    leg = {"sport": "soccer", "league": "EPL", "game_id": "EPL-101", "bets": [other, bet], "odds": 2}
    for answer in (
        service.get("/v1/prices/soccer/EPL/EPL-101", params=bet),
        service.post("/v1/parlays", json={"legs": [leg]}),
    ):
        assert (answer.status_code, answer.json()["field"]) == (422, "market")

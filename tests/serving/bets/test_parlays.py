"""Parlays: one game's bets keep their correlation, different games multiply, and stakes follow the same rule as single bets."""

import httpx
import pytest

from core.betting.staking import StakingRules
from serving.api.bet_schemas import ParlayAnswer
from serving.bets.no_value import EDGE_UNCERTAIN, NO_MARKET_PRICE
from tests.serving.conftest import World
from tests.serving.guarded import make_key, production_settings
from tests.serving.service import MovingClock, Running, started

HOME = {"market": "moneyline", "selection": "home"}
OVER = {"market": "total", "selection": "over", "line": 2.5}


def leg(game: str, *bets: dict[str, object], odds: float = 2.0, league: str = "EPL") -> dict[str, object]:
    sport = "soccer" if league == "EPL" else "american_football"
    return {"sport": sport, "league": league, "game_id": game, "bets": list(bets or [HOME]), "odds": odds}


def posted(service: Running, *legs: dict[str, object], **more: object) -> httpx.Response:
    return service.post("/v1/parlays", json={"legs": list(legs), **more})


def answered(service: Running, *legs: dict[str, object], **more: object) -> ParlayAnswer:
    answer = posted(service, *legs, **more)
    assert answer.status_code == 200, answer.text
    return ParlayAnswer.model_validate_json(answer.content)


def alone(service: Running, game: str, bet: dict[str, object], league: str = "soccer/EPL") -> float:
    win: float = service.get(f"/v1/prices/{league}/{game}", params=bet).json()["win"]
    return win


def test_different_games_multiply(service: Running) -> None:
    parlay = answered(service, leg("EPL-101"), leg("EPL/104"), leg("NFL-101", league="NFL"))
    wins = [alone(service, *request) for request in (("EPL-101", HOME), ("EPL/104", HOME))]
    wins.append(alone(service, "NFL-101", HOME, "american_football/NFL"))
    assert parlay.win == pytest.approx(wins[0] * wins[1] * wins[2])
    assert parlay.win + parlay.push + parlay.lose == pytest.approx(1)
    assert parlay.push > 0, "a level NFL game gives the stake back"
    assert parlay.offer.decimal == 8


def test_bets_on_one_game_keep_their_correlation(service: Running) -> None:
    (together,) = answered(service, leg("EPL-101", HOME, OVER)).legs
    apart = alone(service, "EPL-101", HOME) * alone(service, "EPL-101", OVER)
    assert together.win > apart * 1.02, "a home win and many goals go together"
    assert together.win <= min(alone(service, "EPL-101", HOME), alone(service, "EPL-101", OVER))


def test_one_leg_of_one_bet_is_that_bet(service: Running) -> None:
    parlay = answered(service, leg("EPL-101", odds=3.5)).offer
    single = service.get("/v1/prices/soccer/EPL/EPL-101", params={**HOME, "odds": 3.5}).json()["offer"]
    assert parlay.value is not None
    assert parlay.value.model_dump() == pytest.approx(single["value"])
    assert (parlay.stake, parlay.note) == (single["stake"], single["note"])


def test_a_stake_needs_a_sure_edge_and_has_the_cap_of_a_bet(service: Running) -> None:
    good = answered(service, leg("EPL-101", odds=4.0), leg("EPL/104", odds=5.0)).offer
    bad = answered(service, leg("EPL-101", odds=1.2), leg("EPL/104", odds=1.2)).offer
    assert good.value is not None
    assert bad.value is not None
    assert good.value.low < good.value.expected_value < good.value.high
    assert good.value.is_value
    assert 0 < good.stake <= StakingRules().most_per_bet
    assert (bad.value.is_value, bad.stake, bad.note) == (False, 0, EDGE_UNCERTAIN.text)


def test_a_leg_that_cannot_be_valued_leaves_the_parlay_without_a_stake(service: Running) -> None:
    offer = answered(service, leg("EPL-101", odds=50), leg("EPL-102", odds=50)).offer
    assert (offer.value, offer.stake, offer.note) == (None, 0, f"Leg 2: {NO_MARKET_PRICE.text}")


@pytest.mark.parametrize(
    ("legs", "status", "field"),
    [
        ([], 422, "legs"),
        ([leg("EPL-101")] * 2, 422, "legs"),
        ([leg("EPL-101")] * 11, 422, "legs"),
        ([leg("EPL-101", *[HOME] * 11)], 422, None),
        ([leg("EPL-101", odds=0.5)], 422, "odds"),
        ([leg("EPL-101", {"market": "corners", "selection": "over"})], 422, "market"),
        ([leg("EPL-101", {"market": "total", "selection": "over"})], 422, "line"),
        ([leg("EPL-999")], 404, None),
    ],
)
def test_an_invalid_parlay_names_the_field(
    service: Running, legs: list[dict[str, object]], status: int, field: str | None
) -> None:
    answer = posted(service, *legs)
    assert answer.status_code == status
    if field is not None:
        assert answer.json()["field"] == field


def test_a_key_is_required(world: World) -> None:
    key = make_key(world.engine, "predict")
    with started(production_settings(world), MovingClock()) as service:
        assert posted(service, leg("EPL-101")).status_code == 401
        request = {"legs": [leg("EPL-101")]}
        assert service.post("/v1/parlays", json=request, headers={"X-API-Key": key}).status_code == 200

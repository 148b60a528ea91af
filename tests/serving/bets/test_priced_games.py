"""A game is forecast once for all bets on it, until its forecast or its prices change."""

from datetime import timedelta

from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.models import EPL, record_price
from tests.serving.service import MovingClock, eventually, settings_for, started

GAME = ("soccer", "EPL", "EPL-101")
PRICE = "/v1/prices/soccer/EPL/EPL-101"
BET = {"market": "moneyline", "selection": "home", "odds": 3.5}


def test_bets_on_one_game_share_its_forecast_until_a_price_changes_or_grows_too_old(world: World) -> None:
    clock = MovingClock()
    with started(settings_for(world.engine, world.store), clock) as running:
        games = running.service.priced_games
        first = games.of(*GAME, clock.now())
        assert games.of(*GAME, clock.now()) is first
        before = running.get(PRICE, params=BET).json()
        clock.moment = NOW + timedelta(minutes=1)
        record_price(world.engine, EPL, "EPL-101", 2.4, clock.moment)
        eventually(lambda: running.service.slate.table.checked["EPL"] == clock.moment)
        eventually(lambda: running.get(PRICE, params=BET).json()["best"]["decimal"] == 2.4)
        assert games.of(*GAME, clock.now()) is not first
        after = running.get(PRICE, params=BET).json()
        clock.moment = NOW + timedelta(minutes=62)
        aged = running.get(PRICE, params=BET).json()
    assert before["offer"]["value"]["win"] > after["offer"]["value"]["win"]
    assert (aged["offer"]["value"], aged["offer"]["reason"], aged["best"]) == (None, "price_too_old", None)

"""Value of a bet: model and market are pooled by the learned weight, and an uncertain edge has no stake."""

from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from core.betting.odds import devig
from core.betting.staking import StakingRules
from core.betting.value import Shrinkage
from core.registry.pooling_weight import PoolingWeight
from serving.api.bet_schemas import Offer, Price
from serving.bets.no_value import EDGE_UNCERTAIN, GAME_BEGUN, NO_MARKET_PRICE, NOT_EVALUATED
from tests.serving.conftest import World
from tests.serving.models import BELIEVED, EPL, deploy, fill
from tests.serving.service import MovingClock, Running, settings_for, started

SHOWN = (1.8, 3.6, 2.9)
"""The book's odds on EPL-101."""
UNBELIEVED = PoolingWeight(devig="multiplicative", weight=0.0, error=0.1, games=5_000)


def priced(service: Running, game: str = "EPL-101", **query: object) -> Price:
    params = {"market": "moneyline", "selection": "home", **query}
    answer = service.get(f"/v1/prices/soccer/EPL/{game}", params=params)
    assert answer.status_code == 200, answer.text
    return Price.model_validate_json(answer.content)


def offered(service: Running, game: str = "EPL-101", **query: object) -> Offer:
    offer = priced(service, game, **query).offer
    assert offer is not None
    return offer


def own(service: Running) -> list[float]:
    return [priced(service, selection=side).win for side in ("home", "draw", "away")]


def test_the_bookmakers_probabilities_stand_beside_the_models(service: Running) -> None:
    fair = devig(SHOWN, "multiplicative")[0]
    for side, chance in zip(("home", "draw", "away"), fair, strict=True):
        by_market = priced(service, selection=side).by_market
        assert by_market is not None
        assert by_market.win == pytest.approx(chance, abs=1e-7)


def test_a_value_is_of_the_pooled_chance_not_of_the_models(service: Running) -> None:
    import numpy as np

    model, market = np.array([own(service)]), devig(SHOWN, "multiplicative")
    expected = Shrinkage(BELIEVED.weight, 0, 0).probabilities(model, market)[0, 0]
    value = offered(service, odds=2.5).value
    assert value is not None
    assert value.win == pytest.approx(expected, abs=1e-7)
    assert value.expected_value == pytest.approx(expected * 2.5 - 1, abs=1e-6)
    assert value.low < value.expected_value < value.high


def test_a_stake_needs_a_sure_edge_and_has_caps(service: Running) -> None:
    good, bad = offered(service, odds=3.5), offered(service, odds=1.01)
    assert good.value is not None
    assert bad.value is not None
    assert good.value.is_value
    assert 0 < good.stake <= StakingRules().most_per_bet
    assert (bad.value.is_value, bad.stake, bad.note) == (False, 0, EDGE_UNCERTAIN.text)
    assert offered(service, odds=900).stake <= StakingRules().most_per_bet
    assert offered(service, odds=3.5, bankroll=10).stake == pytest.approx(
        offered(service, odds=3.5, bankroll=5).stake * 2, abs=0.02
    )
    assert offered(service, odds=3.5, bankroll=0).stake == 0


def test_a_model_without_weight_has_no_edge(sqlite_database: Engine, tmp_path: Path) -> None:
    """The bet that loses money: the model alone sees an edge, the market does not."""
    fill(sqlite_database, EPL)
    deploy(sqlite_database, tmp_path / "bundles", EPL, "prices", home_lean=2.0, belief=UNBELIEVED)
    with started(settings_for(sqlite_database, tmp_path / "bundles"), MovingClock()) as service:
        assert own(service)[0] * 1.8 - 1 > 0.2, "the model alone would bet"
        offer = offered(service, odds=1.8)
    assert offer.value is not None
    assert offer.value.expected_value < 0
    assert (offer.value.is_value, offer.stake) == (False, 0)


@pytest.mark.parametrize(
    ("game", "query", "note"),
    [
        ("EPL-102", {}, NO_MARKET_PRICE.text),
        ("EPL-101", {"market": "total", "selection": "over", "line": 2.5}, NO_MARKET_PRICE.text),
        ("EPL-101", {"market": "spread", "selection": "home", "line": -1}, NO_MARKET_PRICE.text),
    ],
)
def test_without_a_price_of_that_kind_there_is_no_stake(
    service: Running, game: str, query: dict[str, object], note: str
) -> None:
    price = priced(service, game, odds=50, **query)
    assert price.by_market is None
    assert price.offer is not None
    assert (price.offer.value, price.offer.stake, price.offer.note) == (None, 0, note)


def test_a_begun_game_is_not_bet_on(world: World) -> None:
    clock = MovingClock()
    with started(settings_for(world.engine, world.store), clock) as service:
        start = priced(service).game.start_at
        clock.moment = start
        offer = offered(service, odds=3.5)
    assert (offer.value, offer.stake, offer.note) == (None, 0, GAME_BEGUN.text)


def test_a_bundle_without_a_belief_is_answered_without_a_stake(sqlite_database: Engine, tmp_path: Path) -> None:
    fill(sqlite_database, EPL)
    deploy(sqlite_database, tmp_path / "bundles", EPL, belief=None)
    with started(settings_for(sqlite_database, tmp_path / "bundles"), MovingClock()) as service:
        offer = offered(service, odds=3.5)
    assert (offer.value, offer.stake, offer.note) == (None, 0, NOT_EVALUATED.text)


def test_a_bet_on_part_of_the_outcome_is_pooled_with_it(service: Running) -> None:
    home = offered(service, odds=2.0).value
    draw = offered(service, selection="draw", odds=2.0).value
    either = offered(service, market="double_chance", selection="home_or_draw", odds=2.0).value
    assert home is not None
    assert draw is not None
    assert either is not None
    assert either.win == pytest.approx(home.win + draw.win, abs=1e-9)

"""One distribution moved toward all of a game's prices: every bet is valued by the same pooled forecast."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.betting.market_pooling import MarketView, pool_with_interval, pooled_scores
from core.betting.markets import price
from core.betting.scores import Outcome, ScoreDistribution
from core.betting.value import Shrinkage
from tests.core.betting.one_game import goal_scores, point_scores

GOALS = goal_scores(1.7, 1.1)
POINTS = point_scores(4.0, 45.0, 13.0, 13.0).with_outcome(Outcome(0.63, 0.003, 0.367))
THREE = MarketView((0.4, 0.28, 0.32), None, 2.5, 0.44)
TWO = MarketView((0.52, 0.48), 1.0, 41.5, 0.5)


def chances(scores: ScoreDistribution) -> np.ndarray:
    return np.array([scores.outcome.home, scores.outcome.draw, scores.outcome.away])


def over(scores: ScoreDistribution, line: float) -> float:
    bet = price(scores, "total", "over", line)
    return bet.win / (bet.win + bet.lose)


@given(weight=st.floats(-0.2, 1.2))
def test_who_wins_is_pooled_as_the_shrinkage_pools_it(weight: float) -> None:
    pooled = pooled_scores(GOALS, THREE, weight)
    expected = Shrinkage(weight, 0, 0).probabilities(chances(GOALS)[None], np.array([THREE.outcome]))[0]
    assert chances(pooled) == pytest.approx(expected, abs=1e-7)
    assert pooled.grid.sum() == pytest.approx(1, abs=1e-12)


@given(weight=st.floats(0, 1), line=st.sampled_from([2.0, 2.25, 2.5, 2.75, 3.0]), said=st.floats(0.3, 0.7))
def test_the_total_is_pooled_at_its_own_line(weight: float, line: float, said: float) -> None:
    model = np.array([over(GOALS, line), 1 - over(GOALS, line)])
    pooled = pooled_scores(GOALS, MarketView(None, None, line, said), weight)
    expected = Shrinkage(weight, 0, 0).probabilities(model[None], np.array([[said, 1 - said]]))[0]
    assert over(pooled, line) == pytest.approx(expected[0], abs=1e-7)


def test_all_of_the_model_is_the_model_and_none_of_it_is_the_market() -> None:
    for scores, market in ((GOALS, THREE), (POINTS, TWO)):
        assert pooled_scores(scores, market, 1.0).grid == pytest.approx(scores.grid, abs=1e-9)
        alone = pooled_scores(scores, market, 0.0)
        assert over(alone, market.total_line or 0.0) == pytest.approx(market.over, abs=1e-7)
    assert chances(pooled_scores(GOALS, THREE, 0.0)) == pytest.approx(THREE.outcome, abs=1e-7)
    alone = pooled_scores(POINTS, TWO, 0.0)
    assert alone.outcome.decided_home == pytest.approx(0.52, abs=1e-7)
    assert alone.outcome.draw == pytest.approx(0.003, abs=1e-9), "a level game is no outcome and keeps its chance"
    assert price(alone, "spread", "home", -1.0, ties="push").win == pytest.approx(
        price(alone, "spread", "away", 1.0, ties="push").win, abs=1e-7
    )


def test_prices_that_say_nothing_change_nothing() -> None:
    assert pooled_scores(GOALS, MarketView(None), 0.0) is GOALS


@pytest.mark.parametrize(
    ("market", "known"),
    [("moneyline", True), ("total", False), ("spread", False), ("correct_score", False), ("double_chance", True)],
)
def test_a_bet_is_judged_only_beside_a_price_of_its_kind(market: str, known: bool) -> None:
    assert MarketView((0.5, 0.5)).covers(market) is known
    assert not MarketView(None).covers(market)
    assert MarketView((0.5, 0.5), 1.0, 40.0, 0.5).covers(market)


@given(weight=st.floats(0, 1), error=st.floats(0.001, 0.2), odds=st.floats(1.2, 8))
def test_the_edges_interval_is_the_weights(weight: float, error: float, odds: float) -> None:
    found = pool_with_interval(GOALS, THREE, Shrinkage(weight, error, 500))
    pricing, edge = found.price_and_value(lambda scores: price(scores, "moneyline", "home"), odds)
    assert edge.low <= edge.expected_value <= edge.high
    assert edge.expected_value == pytest.approx(pricing.win * odds - 1)
    slope = Shrinkage(weight, error, 0).errors(chances(GOALS)[None], np.array([THREE.outcome]))[0, 0]
    assert edge.high - edge.low == pytest.approx(2 * 1.6449 * slope * odds, rel=0.05)


def test_prices_that_contradict_each_other_leave_a_distribution() -> None:
    upside_down = MarketView((0.8, 0.2), -10.0, 41.5, 0.5)
    pooled = pooled_scores(POINTS, upside_down, 0.0)
    assert np.isfinite(pooled.grid).all()
    assert pooled.grid.min() >= 0
    assert pooled.grid.sum() == pytest.approx(1)

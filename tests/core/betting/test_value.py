"""A model earns its weight beside the market on past games, and an edge has an interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from core.betting.value import PENALTY, Shrinkage, learn_shrinkage, value


def games(seed: int, count: int, *, model_noise: float, market_noise: float, classes: int = 3):
    """Truth, and what a noisy model and a noisy market say of it."""
    random = np.random.default_rng(seed)
    truth = random.normal(0, 0.8, (count, classes))
    model = softmax(truth + random.normal(0, model_noise, truth.shape), axis=1)
    market = softmax(truth + random.normal(0, market_noise, truth.shape), axis=1)
    happened = (random.random((count, 1)) > softmax(truth, axis=1).cumsum(axis=1)).sum(axis=1)
    return model, market, np.minimum(happened, classes - 1)


@given(seed=st.integers(0, 500), model_noise=st.floats(0.05, 1), market_noise=st.floats(0.05, 1))
def test_the_weight_is_the_one_of_smallest_penalised_loss(seed: int, model_noise: float, market_noise: float) -> None:
    model, market, outcomes = games(seed, 400, model_noise=model_noise, market_noise=market_noise)

    def loss(weight: float) -> float:
        pooled = log_softmax(weight * np.log(model) + (1 - weight) * np.log(market), axis=1)
        return -pooled[np.arange(400), outcomes].sum() + PENALTY * weight**2

    best = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-9})
    learnt = learn_shrinkage(model, market, outcomes)
    assert learnt.weight == pytest.approx(best.x, abs=1e-5)
    assert learnt.games == 400


def test_a_noisy_model_beside_a_sharp_market_gets_little_weight() -> None:
    learnt = learn_shrinkage(*games(1, 4000, model_noise=0.6, market_noise=0.05))
    assert learnt.weight < 0.05


def test_a_model_that_knows_more_than_the_market_gets_weight_in_time() -> None:
    few, many = (learn_shrinkage(*games(2, count, model_noise=0.05, market_noise=0.6)) for count in (60, 8000))
    assert few.weight < many.weight
    assert many.weight > 0.9
    assert many.error < few.error < 0.15


def test_without_games_the_market_stands() -> None:
    empty = np.empty((0, 2))
    learnt = learn_shrinkage(empty, empty, np.empty(0, dtype=np.int64))
    assert (learnt.weight, learnt.games) == (0.0, 0)
    market = np.array([[0.6, 0.4]])
    assert learnt.probabilities(np.array([[0.3, 0.7]]), market) == pytest.approx(market)


def test_games_without_a_price_or_an_outcome_do_not_count() -> None:
    model, market, outcomes = games(3, 500, model_noise=0.2, market_noise=0.4)
    holes = market.copy()
    holes[:50] = np.nan
    labels = np.where(np.arange(500) >= 480, -1, outcomes)
    assert learn_shrinkage(model, holes, labels) == learn_shrinkage(model[50:480], market[50:480], outcomes[50:480])


@given(weight=st.floats(0, 1), seed=st.integers(0, 100))
def test_pooled_probabilities_lie_between_and_sum_to_one(weight: float, seed: int) -> None:
    model, market, _ = games(seed, 20, model_noise=0.5, market_noise=0.5, classes=2)
    pooled = Shrinkage(weight, 0.1, 20).probabilities(model, market)
    assert pooled.sum(axis=1) == pytest.approx(1)
    low, high = np.minimum(model, market), np.maximum(model, market)
    assert (pooled >= low - 1e-12).all()
    assert (pooled <= high + 1e-12).all()
    log_odds = [np.log(p[:, 0] / p[:, 1]) for p in (pooled, model, market)]
    assert log_odds[0] == pytest.approx(weight * log_odds[1] + (1 - weight) * log_odds[2], abs=1e-9)


@given(seed=st.integers(0, 100), weight=st.floats(0.1, 0.9))
def test_errors_are_what_a_small_change_of_the_weight_does(seed: int, weight: float) -> None:
    model, market, _ = games(seed, 20, model_noise=0.5, market_noise=0.5)
    step = 1e-5
    above, below = (Shrinkage(weight + side * step, 1, 1).probabilities(model, market) for side in (1, -1))
    slope = np.abs(above - below) / (2 * step)
    assert Shrinkage(weight, 0.2, 1).errors(model, market) == pytest.approx(0.2 * slope, abs=1e-6)


def test_an_edge_and_its_interval() -> None:
    found = value(0.5, 0.02, 2.1)
    assert found.expected_value == pytest.approx(0.05)
    assert (found.low, found.high) == pytest.approx((0.05 - 1.644854 * 0.02 * 2.1, 0.05 + 1.644854 * 0.02 * 2.1))
    assert not found.is_certain
    assert value(0.5, 0.001, 2.1).is_certain
    assert value(0.5, 0.0, 2.0).expected_value == 0


@given(probability=st.floats(0, 1), error=st.floats(0, 0.5), odds=st.floats(1.01, 50))
def test_an_edge_lies_in_its_interval_and_no_bet_loses_more_than_its_stake(
    probability: float, error: float, odds: float
) -> None:
    found = value(probability, error, odds)
    assert -1 <= found.low <= found.expected_value <= found.high <= odds - 1 + 1e-12

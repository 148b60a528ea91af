"""Scores against closed forms."""

import numpy as np
import pytest

from core import scoring


def test_log_loss_of_a_coin() -> None:
    said = np.array([[0.5, 0.5], [0.5, 0.5]])
    assert scoring.log_losses(said, np.array([0, 1])) == pytest.approx(np.log(2))


def test_certain_and_wrong_costs_much_but_not_infinitely() -> None:
    assert 20 < scoring.log_losses(np.array([[1.0, 0.0]]), np.array([1]))[0] < 40


def test_brier_of_a_two_way_game_is_the_squared_error_of_one_side() -> None:
    assert scoring.brier_scores(np.array([[0.7, 0.3]]), np.array([0]))[0] == pytest.approx(0.09)


def test_ranked_probability_score_of_epsteins_order() -> None:
    """Home said with .5, draw .3, away .2, and home won: ((.5-1)^2 + (.8-1)^2) / 2."""
    assert scoring.ranked_probability_scores(np.array([[0.5, 0.3, 0.2]]), np.array([0]))[0] == pytest.approx(0.145)


def test_missing_by_one_class_is_better_than_by_two() -> None:
    said = np.array([[0.8, 0.1, 0.1]] * 2)
    near, far = scoring.ranked_probability_scores(said, np.array([1, 2]))
    assert near < far


def test_a_forecaster_that_is_always_a_tenth_off_shows_it() -> None:
    outcomes = np.array([0] * 60 + [1] * 40)
    assert scoring.calibration_error(np.tile([0.7, 0.3], (100, 1)), outcomes) == pytest.approx(0.1)


def test_the_floor_is_what_a_perfect_forecaster_shows() -> None:
    random = np.random.default_rng(3)
    home = random.uniform(0.2, 0.8, 4000)
    said = np.column_stack((home, 1 - home))
    outcomes = (random.random(4000) > home).astype(np.int64)
    floor = scoring.calibration_floor(said)
    assert scoring.calibration_error(said, outcomes) == pytest.approx(floor, abs=0.01)
    assert scoring.calibration_floor(said[:400]) > 2 * floor


def test_standard_error_of_alternating_signs() -> None:
    assert scoring.standard_error(np.array([1.0, -1.0] * 50)) == pytest.approx(np.sqrt(100 / 99) / 10)


def test_clusters_of_one_value_each_change_nothing() -> None:
    values = np.random.default_rng(1).normal(size=50)
    assert scoring.standard_error(values, np.arange(50)) == pytest.approx(np.std(values, ddof=1) / np.sqrt(50))


def test_values_that_repeat_within_a_cluster_count_once() -> None:
    """Ten copies of every value, a cluster each: the error is that of the values, not ten times as many."""
    values = np.random.default_rng(2).normal(size=40)
    copied = scoring.standard_error(np.repeat(values, 10), np.repeat(np.arange(40), 10))
    assert copied == pytest.approx(scoring.standard_error(values))
    assert scoring.standard_error(np.repeat(values, 10)) < copied / 3


def test_one_cluster_tells_nothing_of_the_error() -> None:
    assert np.isnan(scoring.standard_error(np.array([1.0, 2.0]), np.zeros(2, dtype=np.int64)))


def test_games_of_seven_days_share_a_week() -> None:
    day = 86_400.0
    assert len(np.unique(scoring.weeks(np.arange(0, 14) * day))) == 2


def test_the_clustered_error_holds_what_it_promises() -> None:
    """Over many draws of values with a shared part per week, the error is the spread of the means."""
    random = np.random.default_rng(5)
    clusters = np.repeat(np.arange(60), 8)
    draws = [random.normal(size=60)[clusters] * 0.5 + random.normal(size=480) for _ in range(400)]
    spread = np.std([draw.mean() for draw in draws])
    assert np.mean([scoring.standard_error(draw, clusters) for draw in draws]) == pytest.approx(spread, rel=0.12)


def test_the_difference_of_two_equal_forecasts_calibration_errors_is_certain() -> None:
    said = np.tile([0.6, 0.4], (60, 1))
    outcomes, clusters = np.arange(60) % 2, np.arange(60) // 6
    assert scoring.calibration_difference_error(said, said, outcomes, clusters) == 0
    other = np.tile([0.9, 0.1], (60, 1))
    assert 0 < scoring.calibration_difference_error(said, other, np.sort(outcomes), clusters) < 1

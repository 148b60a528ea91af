"""Odds turn into each other and into probabilities without losing order or sense."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.betting.odds import DevigMethod, american_to_decimal, decimal_to_american, devig, overround
from core.errors import ValidationError

METHODS: tuple[DevigMethod, ...] = ("multiplicative", "power")
both = pytest.mark.parametrize("method", METHODS)
american = st.one_of(st.floats(100, 1e6), st.floats(-1e6, -100.001))
decimals = st.lists(st.floats(1.001, 1000), min_size=2, max_size=4)


@pytest.mark.parametrize(
    ("american", "decimal"), [(100, 2.0), (-100, 2.0), (150, 2.5), (-200, 1.5), (-110, 1 + 100 / 110), (10000, 101.0)]
)
def test_american_odds_have_these_decimal_ones(american: float, decimal: float) -> None:
    assert american_to_decimal(american) == pytest.approx(decimal)


@given(odds=american)
def test_american_odds_survive_the_way_to_decimal_and_back(odds: float) -> None:
    assert decimal_to_american(american_to_decimal(odds)) == pytest.approx(odds, rel=1e-9)


@given(odds=st.floats(1.0001, 10_000))
def test_decimal_odds_survive_the_way_to_american_and_back(odds: float) -> None:
    assert american_to_decimal(decimal_to_american(odds)) == pytest.approx(odds, rel=1e-12)


@pytest.mark.parametrize("odds", [0, 99.9, -99.9, float("nan"), float("inf"), float("-inf")])
def test_american_odds_that_do_not_exist_are_refused(odds: float) -> None:
    with pytest.raises(ValidationError, match="odds: American odds") as refused:
        american_to_decimal(odds)
    assert refused.value.facts == {"field": "odds"}


@pytest.mark.parametrize("odds", [1.0, 0.5, -2, float("nan"), float("inf")])
def test_decimal_odds_of_one_or_less_have_no_american_ones(odds: float) -> None:
    with pytest.raises(ValidationError, match="odds: decimal odds are above 1"):
        decimal_to_american(odds)


def test_the_margin_is_what_the_implied_probabilities_exceed_one_by() -> None:
    assert overround([2.0, 2.0]) == pytest.approx(0)
    assert overround([[1.9, 1.9], [3.0, 3.0]]) == pytest.approx([2 / 1.9 - 1, 2 / 3 - 1])


@both
@given(odds=decimals)
def test_probabilities_sum_to_one_and_keep_the_order_of_the_odds(method: DevigMethod, odds: list[float]) -> None:
    (fair,) = devig(odds, method)
    assert fair.sum() == pytest.approx(1, abs=1e-12)
    assert (fair >= 0).all()
    longest_first = np.argsort(odds)[::-1]
    assert (np.diff(fair[longest_first]) >= 0).all()


@given(weights=st.lists(st.floats(0.01, 1), min_size=2, max_size=4))
def test_without_a_margin_both_methods_give_the_implied_probabilities(weights: list[float]) -> None:
    probabilities = np.array(weights) / sum(weights)
    for method in METHODS:
        assert devig(1 / probabilities, method)[0] == pytest.approx(probabilities, abs=1e-9)


@given(odds=st.lists(st.floats(1.05, 20), min_size=2, max_size=3).filter(lambda odds: sum(1 / odd for odd in odds) > 1))
def test_power_takes_more_of_the_margin_from_the_long_shot(odds: list[float]) -> None:
    proportional, power = devig(odds, "multiplicative")[0], devig(odds, "power")[0]
    assert power[np.argmax(odds)] <= proportional[np.argmax(odds)] + 1e-9
    assert power[np.argmin(odds)] >= proportional[np.argmin(odds)] - 1e-9


@given(odds=st.lists(st.floats(1.05, 20), min_size=2, max_size=3))
def test_power_is_one_power_of_all_the_implied_probabilities(odds: list[float]) -> None:
    powers = np.log(devig(odds, "power")[0]) / np.log(1 / np.array(odds))
    assert powers == pytest.approx(np.full(len(odds), powers[0]), rel=1e-6)


@both
@pytest.mark.parametrize("odds", [[1.0, 1.0], [1.0, 50.0], [1.0, 1.0, 1.0], [1.0, 1000.0, 1000.0]])
def test_odds_of_exactly_one_are_safe(method: DevigMethod, odds: list[float]) -> None:
    (fair,) = devig(odds, method)
    assert (fair > 1e-7).all(), "an outsider has a chance left, whose logarithm is a number"
    assert fair.sum() == pytest.approx(1)
    assert fair[0] == fair.max()


@both
def test_a_row_with_a_hole_stays_a_hole_and_leaves_the_others_alone(method: DevigMethod) -> None:
    fair = devig([[1.9, 1.9], [np.nan, 2.0], [1.5, 2.8]], method)
    assert np.isnan(fair[1]).all()
    assert fair[[0, 2]] == pytest.approx(devig([[1.9, 1.9], [1.5, 2.8]], method))


@both
def test_many_games_at_once_are_each_as_if_alone(method: DevigMethod) -> None:
    games = [[1.5, 4.2, 7.0], [2.4, 3.3, 3.1], [1.01, 21.0, 51.0]]
    assert devig(games, method) == pytest.approx(np.vstack([devig(game, method) for game in games]))

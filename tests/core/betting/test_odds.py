"""Odds turn into each other and into probabilities without losing order or sense."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.betting.odds import (
    DEVIG_METHODS,
    DevigMethod,
    american_to_decimal,
    can_be_stated,
    choose_devig,
    decimal_to_american,
    devig,
    overround,
)
from core.errors import ValidationError

every = pytest.mark.parametrize("method", DEVIG_METHODS)
american = st.one_of(st.floats(100, 1e6), st.floats(-1e6, -100.001))
decimals = st.lists(st.floats(1.001, 1000), min_size=2, max_size=4)
priced = st.lists(st.floats(1.05, 20), min_size=2, max_size=3).filter(lambda odds: sum(1 / odd for odd in odds) > 1)
usual = st.tuples(st.floats(0.1, 0.9), st.floats(1.001, 1.1)).map(
    lambda game: [1 / (game[0] * game[1]), 1 / ((1 - game[0]) * game[1])]
)
"""Two-way odds of a book whose margin is up to a tenth and leaves both implied probabilities below 1."""


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


@every
@given(odds=decimals)
def test_probabilities_sum_to_one_and_keep_the_order_of_the_odds(method: DevigMethod, odds: list[float]) -> None:
    (fair,) = devig(odds, method)
    assert fair.sum() == pytest.approx(1, abs=1e-12)
    assert (fair >= 0).all()
    longest_first = np.argsort(odds)[::-1]
    assert (np.diff(fair[longest_first]) >= 0).all()


@given(weights=st.lists(st.floats(0.01, 1), min_size=2, max_size=4))
def test_without_a_margin_every_method_gives_the_implied_probabilities(weights: list[float]) -> None:
    probabilities = np.array(weights) / sum(weights)
    for method in DEVIG_METHODS:
        assert devig(1 / probabilities, method)[0] == pytest.approx(probabilities, abs=2e-6)


@every
@given(odds=priced)
def test_no_method_takes_less_of_the_margin_from_the_long_shot_than_the_proportional_one(
    method: DevigMethod, odds: list[float]
) -> None:
    proportional, fair = devig(odds, "multiplicative")[0], devig(odds, method)[0]
    assert fair[np.argmax(odds)] <= proportional[np.argmax(odds)] + 2e-6
    assert fair[np.argmin(odds)] >= proportional[np.argmin(odds)] - 2e-6


@given(odds=st.lists(st.floats(1.05, 20), min_size=2, max_size=3))
def test_power_is_one_power_of_all_the_implied_probabilities(odds: list[float]) -> None:
    powers = np.log(devig(odds, "power")[0]) / np.log(1 / np.array(odds))
    assert powers == pytest.approx(np.full(len(odds), powers[0]), rel=1e-6)


@every
@pytest.mark.parametrize("odds", [[1.0, 1.0], [1.0, 50.0], [1.0, 1.0, 1.0], [1.0, 1000.0, 1000.0]])
def test_odds_of_exactly_one_are_safe(method: DevigMethod, odds: list[float]) -> None:
    (fair,) = devig(odds, method)
    assert (fair > 1e-7).all(), "an outsider has a chance left, whose logarithm is a number"
    assert fair.sum() == pytest.approx(1)
    assert fair[0] == fair.max()


@every
def test_a_row_with_a_hole_stays_a_hole_and_leaves_the_others_alone(method: DevigMethod) -> None:
    fair = devig([[1.9, 1.9], [np.nan, 2.0], [1.5, 2.8]], method)
    assert np.isnan(fair[1]).all()
    assert fair[[0, 2]] == pytest.approx(devig([[1.9, 1.9], [1.5, 2.8]], method))


@every
def test_many_games_at_once_are_each_as_if_alone(method: DevigMethod) -> None:
    games = [[1.5, 4.2, 7.0], [2.4, 3.3, 3.1], [1.01, 21.0, 51.0]]
    assert devig(games, method) == pytest.approx(np.vstack([devig(game, method) for game in games]))


@given(odds=priced)
def test_additive_takes_as_much_from_every_outcome_while_something_is_left(odds: list[float]) -> None:
    implied = 1 / np.array(odds)
    share = (implied.sum() - 1) / len(odds)
    assume(implied.min() > share + 1e-5)
    assert devig(odds, "additive")[0] == pytest.approx(implied - share, abs=1e-9)


def test_additive_leaves_the_long_shot_a_chance() -> None:
    (fair,) = devig([1.02, 30.0, 200.0], "additive")
    assert fair.min() == pytest.approx(1e-6, rel=1e-3)
    assert fair.sum() == pytest.approx(1)


@given(odds=usual)
def test_shin_with_two_outcomes_has_a_closed_form_and_is_additive(odds: list[float]) -> None:
    """Jullien & Salanie (1994): the share of insiders, and Clarke et al. (2017): the same as additive."""
    first, second = 1 / np.array(odds)
    total, gap = first + second, first - second
    insiders = (total - 1) * (gap**2 - total) / (total * (gap**2 - 1))
    squared = np.array([first, second]) ** 2 / total
    closed = (np.sqrt(insiders**2 + 4 * (1 - insiders) * squared) - insiders) / (2 * (1 - insiders))
    assert devig(odds, "shin")[0] == pytest.approx(closed, abs=1e-9)
    assert devig(odds, "shin")[0] == pytest.approx(devig(odds, "additive")[0], abs=1e-9)


@given(
    odds=st.lists(st.floats(1.5, 8), min_size=3, max_size=4).filter(lambda odds: sum(1 / odd for odd in odds) > 1.01)
)
def test_shin_prices_put_back_the_margin_that_was_taken_out(odds: list[float]) -> None:
    """Shin's pricing rule q = sqrt(Q (z p + (1 - z) p**2)) gives the prices again, with one z for all outcomes."""
    (fair,) = devig(odds, "shin")
    implied = 1 / np.array(odds)
    total = implied.sum()
    insiders = (implied**2 / total - fair**2) / (fair * (1 - fair))
    assert insiders == pytest.approx(np.full(len(odds), insiders[0]), abs=1e-6)
    assert 0 <= insiders[0] < 1
    assert implied == pytest.approx(np.sqrt(total * (insiders[0] * fair + (1 - insiders[0]) * fair**2)), abs=1e-9)


@given(odds=priced)
def test_the_odds_ratio_is_the_same_for_every_outcome(odds: list[float]) -> None:
    (fair,) = devig(odds, "odds_ratio")
    implied = 1 / np.array(odds)
    ratios = implied / (1 - implied) / (fair / (1 - fair))
    assert ratios == pytest.approx(np.full(len(odds), ratios[0]), rel=1e-6)
    assert ratios[0] >= 1


@given(odds=usual)
def test_the_odds_ratio_of_two_outcomes_has_a_closed_form(odds: list[float]) -> None:
    """With p + (1 - p) = 1 the ratio is the geometric mean of both sides' implied odds."""
    first, second = 1 / np.array(odds)
    ratio = np.sqrt(first / (1 - first) * second / (1 - second))
    assert devig(odds, "odds_ratio")[0][0] == pytest.approx(first / (first + ratio * (1 - first)), abs=1e-9)


@given(odds=usual)
def test_the_standard_errors_are_all_the_same_number(odds: list[float]) -> None:
    implied = 1 / np.array(odds)
    (fair,) = devig(odds, "standard_error")
    assume(fair.min() > 1e-5)
    number = (implied.sum() - 1) / np.sqrt(1 - implied).sum()
    assert fair == pytest.approx(implied - number * np.sqrt(1 - implied), abs=1e-9)


def games_priced_by_the_power_rule(games: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    fair = random.dirichlet((2.0, 1.2, 0.5), games)
    outcomes = (random.random((games, 1)) > fair.cumsum(axis=1)).sum(axis=1)
    return 1 / fair**0.8, outcomes


def test_the_method_that_a_book_uses_is_found_on_enough_games() -> None:
    odds, outcomes = games_priced_by_the_power_rule(60_000)
    assert choose_devig(odds, outcomes) == "power"


def test_the_default_stays_without_evidence() -> None:
    odds, outcomes = games_priced_by_the_power_rule(60)
    unknown = np.full_like(odds, np.nan)
    assert choose_devig(odds[:1], outcomes[:1]) == choose_devig(unknown, outcomes) == "multiplicative"
    assert choose_devig(unknown, outcomes, default="shin") == "shin"
    fair = np.full((500, 2), 0.5)
    assert choose_devig(1 / (fair * 1.05), np.arange(500) % 2) == "multiplicative"


def test_games_without_a_price_or_an_outcome_do_not_count_in_the_choice() -> None:
    odds, outcomes = games_priced_by_the_power_rule(20_000)
    holes = np.vstack((odds, np.full((50, 3), np.nan), odds[:50]))
    labels = np.concatenate((outcomes, np.zeros(50, dtype=int), np.full(50, -1)))
    assert choose_devig(holes, labels) == choose_devig(odds, outcomes)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.floats(1, 1e20))
def test_odds_that_can_be_stated_are_exact_whole_numbers_in_json(decimal: float) -> None:
    if can_be_stated(decimal):
        assert abs(round(decimal_to_american(decimal))) < 2**53
    else:
        assert not 1 + 1e-13 < decimal < 8.9e13

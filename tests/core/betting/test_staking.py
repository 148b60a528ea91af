"""Kelly's fraction is where expected log growth is largest, and nothing is staked without an edge."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from core.betting.markets import Bet, Pricing, combine
from core.betting.staking import StakingRules, drawdown_scale, kelly_fraction, parlay, stakes
from tests.core.betting.distributions import goal_scores

odds = st.floats(1.05, 30)


@st.composite
def pricings(draw: st.DrawFn) -> Pricing:
    win, push, lose = draw(st.floats(0.01, 1)), draw(st.floats(0, 1)), draw(st.floats(0.01, 1))
    total = win + push + lose
    return Pricing(win / total, push / total, lose / total)


def growth(pricing: Pricing, decimal: float, fraction: float) -> float:
    """Expected logarithm of the bankroll after one bet of that fraction."""
    return pricing.win * math.log1p(fraction * (decimal - 1)) + pricing.lose * math.log1p(-fraction)


@given(pricing=pricings(), decimal=odds)
def test_no_other_fraction_grows_faster(pricing: Pricing, decimal: float) -> None:
    best = minimize_scalar(
        lambda fraction: -growth(pricing, decimal, fraction), bounds=(0, 1 - 1e-9), options={"xatol": 1e-12}
    )
    assert kelly_fraction(pricing, decimal) == pytest.approx(best.x, abs=1e-4)
    assert growth(pricing, decimal, kelly_fraction(pricing, decimal)) >= -best.fun - 1e-12


@given(pricing=pricings(), decimal=odds)
def test_nothing_is_staked_without_an_edge_and_something_with_one(pricing: Pricing, decimal: float) -> None:
    edge = pricing.expected_value(decimal)
    assume(abs(edge) > 1e-9)
    fraction = kelly_fraction(pricing, decimal)
    assert 0 <= fraction < 1
    assert (fraction > 0) == (edge > 0)


@given(pricing=pricings(), decimal=odds, better=st.floats(0.01, 5))
def test_better_odds_never_ask_for_less(pricing: Pricing, decimal: float, better: float) -> None:
    assert kelly_fraction(pricing, decimal + better) >= kelly_fraction(pricing, decimal) - 1e-12


@pytest.mark.parametrize(
    ("pricing", "decimal", "fraction"),
    [
        (Pricing(0.6, 0.0, 0.4), 2.0, 0.2),
        (Pricing(0.5, 0.0, 0.5), 2.0, 0.0),
        (Pricing(0.3, 0.5, 0.2), 2.0, 0.2),
        (Pricing(1.0, 0.0, 0.0), 2.0, 1.0),
        (Pricing(0.0, 0.5, 0.5), 10.0, 0.0),
        (Pricing(1.0, 0.0, 0.0), 1.0, 0.0),
    ],
)
def test_these_fractions_are_known(pricing: Pricing, decimal: float, fraction: float) -> None:
    assert kelly_fraction(pricing, decimal) == pytest.approx(fraction)


RULES = StakingRules(kelly_share=0.5, most_per_bet=4, most_per_day=6, drawdown_from=0.1, drawdown_to=0.3)
fractions = st.lists(st.floats(-0.2, 1), max_size=8)


def test_a_stake_is_the_dared_share_of_kelly_in_units() -> None:
    assert stakes([0.04], 100, rules=RULES) == [pytest.approx(2.0)]
    assert stakes([0.04, 0.02], 50, rules=RULES) == pytest.approx([1.0, 0.5])


def test_a_stake_ends_at_the_cap_per_bet_and_a_day_at_its_own() -> None:
    assert stakes([0.5], 100, rules=RULES) == [4]
    assert stakes([0.5, 0.04, 0.04], 100, rules=RULES) == pytest.approx([3.0, 1.5, 1.5])


@given(fractions=fractions, bankroll=st.floats(-10, 1000), highest=st.floats(1, 1000))
def test_no_stake_breaks_a_rule(fractions: list[float], bankroll: float, highest: float) -> None:
    staked = stakes(fractions, bankroll, highest=highest, rules=RULES)
    assert len(staked) == len(fractions)
    assert sum(staked) <= RULES.most_per_day + 1e-9
    for stake, fraction in zip(staked, fractions, strict=True):
        assert 0 <= stake <= min(RULES.most_per_bet, max(fraction, 0) * max(bankroll, 0) * RULES.kelly_share) + 1e-9


@pytest.mark.parametrize(
    ("bankroll", "scale"), [(120, 1.0), (100, 1.0), (90, 1.0), (80, 0.5), (75, 0.25), (70, 0.0), (10, 0.0), (0, 0.0)]
)
def test_stakes_shrink_with_the_drawdown(bankroll: float, scale: float) -> None:
    assert drawdown_scale(bankroll, 100, RULES) == pytest.approx(scale)
    assert stakes([0.01], bankroll, highest=100, rules=RULES) == [pytest.approx(0.005 * bankroll * scale)]


def test_a_rule_that_stops_where_it_begins_is_a_step() -> None:
    step = StakingRules(drawdown_from=0.2, drawdown_to=0.2)
    assert [drawdown_scale(bankroll, 100, step) for bankroll in (81, 79)] == [1.0, 0.0]


@given(legs=st.lists(st.tuples(pricings(), odds), min_size=1, max_size=5))
def test_a_parlay_multiplies_and_its_shares_are_everything(legs: list[tuple[Pricing, float]]) -> None:
    whole = parlay(legs)
    assert whole.pricing.win + whole.pricing.push + whole.pricing.lose == pytest.approx(1, abs=1e-9)
    assert whole.pricing.win <= min(pricing.win for pricing, _ in legs) + 1e-12
    returned = math.prod(1 + pricing.expected_value(decimal) for pricing, decimal in legs)
    assert whole.expected_value == pytest.approx(returned - 1)
    if all(pricing.push == 0 for pricing, _ in legs):
        assert whole.expected_value == pytest.approx(whole.pricing.expected_value(whole.decimal_odds))


def test_a_pushed_leg_of_a_parlay_counts_as_odds_of_one() -> None:
    certain_push = Pricing(0.0, 1.0, 0.0)
    alone, with_push = (
        parlay(legs) for legs in ([(Pricing(0.5, 0, 0.5), 2.2)], [(Pricing(0.5, 0, 0.5), 2.2), (certain_push, 3.0)])
    )
    assert alone.expected_value == with_push.expected_value == pytest.approx(0.1)
    assert with_push.pricing == Pricing(0.0, 0.5, 0.5)


def test_a_combination_inside_a_game_is_one_leg_of_a_parlay() -> None:
    game = goal_scores(1.6, 1.1)
    inside = combine(game, [Bet("moneyline", "home"), Bet("total", "over", 2.5)])
    whole = parlay([(inside, 3.0), (Pricing(0.6, 0, 0.4), 1.8)])
    assert whole.pricing.win == pytest.approx(inside.win * 0.6)

"""Kelly's fraction is where expected log growth is largest, and nothing is staked without an edge."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from core.betting.markets import Pricing
from core.betting.staking import kelly_fraction

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

"""Stakes on simultaneous games grow the bankroll fastest together; closed forms and brute force agree."""

from itertools import product
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.betting import portfolio
from core.betting.markets import Pricing
from core.betting.portfolio import simultaneous_kelly
from core.betting.staking import kelly_fraction
from core.errors import ValidationError

COIN = Pricing(0.55, 0.0, 0.45)


def growth(bets: list[tuple[Pricing, float]], fractions: list[float]) -> float:
    """Expected log growth, result by result."""
    ends = [((odds - 1, p.win), (0.0, p.push), (-1.0, p.lose)) for p, odds in bets]
    return sum(
        np.prod([chance for _, chance in joint])
        * log(1 + sum(profit * fraction for (profit, _), fraction in zip(joint, fractions, strict=True)))
        for joint in product(*ends)
    )


@st.composite
def edges(draw: st.DrawFn) -> tuple[Pricing, float]:
    """A bet with an edge of up to a fifth."""
    win, push = draw(st.floats(0.1, 0.7)), draw(st.sampled_from([0.0, 0.1]))
    return Pricing(win, push, 1 - win - push), (1 - push) / win * draw(st.floats(1.01, 1.2))


@given(bet=edges())
def test_one_bet_is_kellys(bet: tuple[Pricing, float]) -> None:
    assert simultaneous_kelly([bet]) == [kelly_fraction(*bet)]


def test_two_coins_with_even_odds_have_a_closed_form() -> None:
    """By symmetry both get f: of p**2 log(1 + 2 f) + q**2 log(1 - 2 f) the best is (p**2 - q**2) / (2 (p**2 + q**2))."""
    first, second = simultaneous_kelly([(COIN, 2.0), (COIN, 2.0)])
    assert first == pytest.approx(second, abs=1e-6)
    assert first == pytest.approx((0.55**2 - 0.45**2) / (2 * (0.55**2 + 0.45**2)), abs=1e-6)


@pytest.mark.parametrize(
    "bets",
    [
        [(Pricing(0.5, 0.1, 0.4), 2.1), (Pricing(0.3, 0.0, 0.7), 3.9)],
        [(Pricing(0.9, 0.0, 0.1), 1.3), (Pricing(0.9, 0.0, 0.1), 1.3)],
        [(Pricing(0.97, 0.0, 0.03), 1.9), (Pricing(0.95, 0.0, 0.05), 1.9)],
    ],
)
def test_no_point_of_a_fine_grid_grows_faster_than_two_bets_do(bets: list[tuple[Pricing, float]]) -> None:
    found = simultaneous_kelly(bets)
    grid = [(a, b) for a in np.linspace(0, 0.99, 100) for b in np.linspace(0, 0.99, 100) if a + b < 0.995]
    best = max(grid, key=lambda point: growth(bets, list(point)))
    assert growth(bets, found) >= growth(bets, list(best)) - 1e-12
    assert found == pytest.approx(best, abs=0.011)


@given(bets=st.lists(edges(), min_size=2, max_size=4))
def test_together_bets_never_get_more_than_the_bankroll_nor_much_more_than_alone(
    bets: list[tuple[Pricing, float]],
) -> None:
    found = simultaneous_kelly(bets)
    assert sum(found) < 1
    assert all(0 <= fraction <= kelly_fraction(*bet) + 1e-4 for fraction, bet in zip(found, bets, strict=True))
    assert growth(bets, found) >= growth(bets, [kelly_fraction(*bet) / len(bets) for bet in bets]) - 1e-9


def test_a_bet_without_an_edge_gets_nothing_and_changes_nothing() -> None:
    fair, losing = (COIN, 1 / 0.55), (COIN, 1.5)
    with_both = simultaneous_kelly([(COIN, 2.0), fair, (COIN, 2.0), losing])
    assert with_both[1] == with_both[3] == 0
    assert [with_both[0], with_both[2]] == pytest.approx(simultaneous_kelly([(COIN, 2.0)] * 2), abs=1e-9)
    assert simultaneous_kelly([losing]) == [0.0]
    assert simultaneous_kelly([]) == []


def test_drawn_results_say_nearly_what_listed_ones_do(monkeypatch: pytest.MonkeyPatch) -> None:
    bets = [(Pricing(p, 0.0, 1 - p), 1.1 / p) for p in (0.3, 0.45, 0.5, 0.6, 0.7)]
    listed = simultaneous_kelly(bets)
    monkeypatch.setattr(portfolio, "MOST_SCENARIOS", 30)
    few = simultaneous_kelly(bets)
    monkeypatch.undo()
    assert few != pytest.approx(listed, abs=0.01), "30 draws are not 32 listed results"
    many = [(COIN, 2.0)] * 16
    assert growth([(COIN, 2.0)] * 2, simultaneous_kelly(many)[:2]) > 0
    assert simultaneous_kelly(many) == simultaneous_kelly(many)
    assert np.mean(simultaneous_kelly(many)) == pytest.approx(1 / 16, rel=0.1)


def test_more_than_a_hundred_bets_are_refused() -> None:
    with pytest.raises(ValidationError, match="at most 100"):
        simultaneous_kelly([(COIN, 2.0)] * 101)

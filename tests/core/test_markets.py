"""Every market is summed from one grid, so no two of them can contradict each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.betting.markets import SELECTIONS, Pricing, price
from core.betting.scores import ScoreDistribution
from core.errors import ValidationError
from tests.core.test_scores import either, goals

quarters = st.integers(-60, 60).map(lambda count: count / 4)
halves = st.integers(-30, 30).map(lambda count: count / 2)
GAME = ScoreDistribution.of_goals(1.6, 1.1)


def shares(pricing: Pricing) -> tuple[float, float, float]:
    return pricing.win, pricing.push, pricing.lose


@given(scores=either, line=quarters)
@pytest.mark.parametrize(
    ("market", "selection"), [(market, side) for market in SELECTIONS for side in SELECTIONS[market]]
)
def test_winning_pushing_and_losing_are_everything(
    market: str, selection: str, scores: ScoreDistribution, line: float
) -> None:
    pricing = price(scores, market, selection, line)
    assert sum(shares(pricing)) == pytest.approx(1, abs=1e-9)
    assert min(shares(pricing)) >= 0


@given(scores=either, line=quarters)
def test_over_under_and_push_are_everything(scores: ScoreDistribution, line: float) -> None:
    over, under = price(scores, "total", "over", abs(line)), price(scores, "total", "under", abs(line))
    assert (over.win, over.push, over.lose) == pytest.approx((under.lose, under.push, under.win), abs=1e-9)
    assert over.win + under.win + over.push == pytest.approx(1, abs=1e-9)


@given(scores=either, line=quarters)
def test_one_side_covers_what_the_other_does_not(scores: ScoreDistribution, line: float) -> None:
    home, away = price(scores, "spread", "home", line), price(scores, "spread", "away", -line)
    assert (home.win, home.push, home.lose) == pytest.approx((away.lose, away.push, away.win), abs=1e-9)


@given(scores=either, line=quarters, step=st.integers(1, 8))
def test_a_better_line_is_never_worth_less(scores: ScoreDistribution, line: float, step: int) -> None:
    better = line + step / 4
    assert price(scores, "spread", "home", better).win >= price(scores, "spread", "home", line).win - 1e-12
    assert price(scores, "total", "under", better).win >= price(scores, "total", "under", line).win - 1e-12
    assert price(scores, "total", "over", better).win <= price(scores, "total", "over", line).win + 1e-12
    fair = [price(scores, "spread", "home", at).expected_value(2.0) for at in (line, better)]
    assert fair[1] >= fair[0] - 1e-12


@given(scores=either, line=halves)
@pytest.mark.parametrize(("market", "selection"), [("spread", "home"), ("spread", "away"), ("total", "over")])
def test_a_quarter_line_is_the_mean_of_its_neighbours(
    market: str, selection: str, scores: ScoreDistribution, line: float
) -> None:
    lower, upper = (shares(price(scores, market, selection, at)) for at in (line, line + 0.5))
    middle = shares(price(scores, market, selection, line + 0.25))
    assert middle == pytest.approx(tuple(np.add(lower, upper) / 2), abs=1e-12)


@given(scores=either)
def test_moneyline_and_spread_of_half_a_point_are_the_same_bet(scores: ScoreDistribution) -> None:
    outcome = scores.outcome
    assert price(scores, "moneyline", "home").win == price(scores, "spread", "home", -0.5).win == outcome.home
    assert price(scores, "moneyline", "away").win == pytest.approx(price(scores, "spread", "away", -0.5).win)
    sides = [price(scores, "moneyline", side).win for side in SELECTIONS["moneyline"]]
    assert sum(sides) == pytest.approx(1, abs=1e-9)
    level = price(scores, "spread", "home", 0)
    assert shares(price(scores, "draw_no_bet", "home")) == pytest.approx(shares(level), abs=1e-12)
    assert shares(price(scores, "moneyline", "home", ties="push")) == pytest.approx(shares(level), abs=1e-12)


@given(scores=goals)
def test_both_teams_score_unless_one_has_nothing(scores: ScoreDistribution) -> None:
    yes, no = (price(scores, "both_teams_score", side).win for side in ("yes", "no"))
    nothing = scores.grid[0].sum() + scores.grid[:, 0].sum() - scores.grid[0, 0]
    assert yes == pytest.approx(1 - nothing, abs=1e-9)
    assert yes + no == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("market", "selection", "line", "wins", "pushes"),
    [
        ("spread", "home", -1, lambda h, a: h - a > 1, lambda h, a: h - a == 1),
        ("spread", "home", -0.5, lambda h, a: h > a, lambda h, a: h != h),
        ("spread", "away", 1.5, lambda h, a: a + 1.5 > h, lambda h, a: h != h),
        ("spread", "away", 0, lambda h, a: a > h, lambda h, a: h == a),
        ("total", "over", 2.5, lambda h, a: h + a > 2, lambda h, a: h != h),
        ("total", "over", 3, lambda h, a: h + a > 3, lambda h, a: h + a == 3),
        ("total", "under", 0, lambda h, a: h != h, lambda h, a: h + a == 0),
        ("total", "over", 500, lambda h, a: h != h, lambda h, a: h != h),
        ("spread", "home", -500, lambda h, a: h != h, lambda h, a: h != h),
    ],
)
def test_lines_mean_what_a_bookmaker_means(market, selection, line, wins, pushes) -> None:
    home, away = np.indices(GAME.grid.shape)
    pricing = price(GAME, market, selection, line)
    assert pricing.win == pytest.approx(GAME.grid[wins(home, away)].sum(), abs=1e-12)
    assert pricing.push == pytest.approx(GAME.grid[pushes(home, away)].sum(), abs=1e-12)


@given(win=st.floats(0.001, 1), push=st.floats(0, 1), lose=st.floats(0, 1))
def test_fair_odds_are_worth_nothing_to_either_side(win: float, push: float, lose: float) -> None:
    whole = win + push + lose
    pricing = Pricing(win / whole, push / whole, lose / whole)
    assert pricing.fair_odds == pytest.approx((1 - pricing.push) / pricing.win)
    assert pricing.expected_value(pricing.fair_odds) == pytest.approx(0, abs=1e-9)


def test_what_cannot_win_has_infinite_odds() -> None:
    assert Pricing(0.0, 0.5, 0.5).fair_odds == float("inf")


@pytest.mark.parametrize(
    ("market", "selection", "line", "ties", "named"),
    [
        ("winner", "home", None, "draw", "market"),
        ("moneyline", "over", None, "draw", "selection"),
        ("moneyline", "draw", None, "push", "selection"),
        ("moneyline", "draw", None, "impossible", "selection"),
        ("draw_no_bet", "draw", None, "draw", "selection"),
        ("spread", "home", None, "draw", "line"),
        ("total", "over", 2.3, "draw", "line"),
        ("total", "over", float("nan"), "draw", "line"),
        ("spread", "home", float("inf"), "draw", "line"),
    ],
)
def test_a_bet_that_does_not_exist_is_refused_by_the_field(
    market: str, selection: str, line: float | None, ties: str, named: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        price(GAME, market, selection, line, ties=ties)
    assert refused.value.facts == {"field": named}
    assert refused.value.message.startswith(f"{named}: ")

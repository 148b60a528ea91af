"""Every market is summed from one grid, so no two of them can contradict each other."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.betting.markets import MOST_LEGS, SELECTIONS, MarketSelection, Pricing, combine, on_winner, price
from core.betting.scores import Outcome, ScoreDistribution
from core.errors import ValidationError
from tests.core.betting.one_game import goal_scores
from tests.core.betting.test_scores import either, goals, hockey, outcomes

quarters = st.integers(-60, 60).map(lambda count: count / 4)
halves = st.integers(-30, 30).map(lambda count: count / 2)
GAME = goal_scores(1.6, 1.1)
HOCKEY = goal_scores(3.1, 2.8).with_outcome(Outcome(0.54, 0.0, 0.46)).with_overtime(0.5)
final_bets = [
    MarketSelection(market, side) for market, sides in SELECTIONS.items() for side in sides if market != "regulation"
]


def bets(*, lines: st.SearchStrategy[float], market: str = "") -> st.SearchStrategy[MarketSelection]:
    """Any bet on the final score (in that market), with a line where it takes one."""
    lined = ("spread", "total", "home_total", "away_total")
    return st.sampled_from([bet for bet in final_bets if market in ("", bet.market)]).flatmap(
        lambda bet: (
            lines.map(lambda line: MarketSelection(bet.market, bet.selection, line))
            if bet.market in lined
            else st.just(bet)
        )
    )


def shares(pricing: Pricing) -> tuple[float, float, float]:
    return pricing.win, pricing.push, pricing.lose


@given(scores=either, data=st.data())
@pytest.mark.parametrize("market", [market for market in SELECTIONS if market != "regulation"])
def test_winning_pushing_and_losing_are_everything(market: str, scores: ScoreDistribution, data: st.DataObject) -> None:
    bet = data.draw(bets(lines=quarters, market=market))
    pricing = price(scores, bet.market, bet.selection, bet.line)
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
    for market in ("home_total", "away_total"):
        assert price(scores, market, "under", better).win >= price(scores, market, "under", line).win - 1e-12


@given(scores=either, line=halves)
@pytest.mark.parametrize(
    ("market", "selection"),
    [("spread", "home"), ("spread", "away"), ("total", "over"), ("home_total", "under"), ("away_total", "over")],
)
def test_a_quarter_line_is_the_mean_of_its_neighbours(
    market: str, selection: str, scores: ScoreDistribution, line: float
) -> None:
    lower, upper = (shares(price(scores, market, selection, at)) for at in (line, line + 0.5))
    middle = shares(price(scores, market, selection, line + 0.25))
    assert middle == pytest.approx(tuple(np.add(lower, upper) / 2), abs=1e-12)


@given(scores=either)
def test_moneyline_and_spread_of_half_a_point_are_the_same_bet(scores: ScoreDistribution) -> None:
    outcome = scores.outcome
    assert price(scores, "moneyline", "home").win == price(scores, "spread", "home", -0.5).win
    assert price(scores, "moneyline", "home").win == pytest.approx(outcome.home, abs=1e-15)
    assert price(scores, "moneyline", "away").win == pytest.approx(price(scores, "spread", "away", -0.5).win)
    sides = [price(scores, "moneyline", side).win for side in SELECTIONS["moneyline"]]
    assert sum(sides) == pytest.approx(1, abs=1e-9)
    level = price(scores, "spread", "home", 0)
    assert shares(price(scores, "draw_no_bet", "home")) == pytest.approx(shares(level), abs=1e-12)
    assert shares(price(scores, "moneyline", "home", ties="push")) == pytest.approx(shares(level), abs=1e-12)


@given(scores=either)
def test_draw_no_bet_is_the_three_way_price_given_that_somebody_wins(scores: ScoreDistribution) -> None:
    home, draw, away = (price(scores, "moneyline", side).win for side in ("home", "draw", "away"))
    pricing = price(scores, "draw_no_bet", "away")
    assert shares(pricing) == pytest.approx((away, draw, home), abs=1e-12)
    if away > 1e-6:
        assert pricing.fair_odds == pytest.approx((home + away) / away)


@given(scores=either)
def test_a_double_chance_is_the_sum_of_its_two(scores: ScoreDistribution) -> None:
    single = {side: price(scores, "moneyline", side).win for side in ("home", "draw", "away")}
    for selection in SELECTIONS["double_chance"]:
        first, second = selection.split("_or_")
        assert price(scores, "double_chance", selection).win == pytest.approx(single[first] + single[second], abs=1e-12)


@given(scores=goals, highest=st.integers(0, 6))
def test_listed_correct_scores_and_any_other_are_everything(scores: ScoreDistribution, highest: int) -> None:
    listed = [(home, away) for home in range(highest + 1) for away in range(highest + 1)]
    named = [price(scores, "correct_score", f"{home}-{away}").win for home, away in listed]
    other = price(scores, "correct_score", "other", highest).win
    assert sum(named) + other == pytest.approx(1, abs=1e-9)
    parts = [price(scores, "correct_score", f"other_{side}", highest).win for side in ("home", "draw", "away")]
    assert sum(parts) == pytest.approx(other, abs=1e-12)
    won = sum(mass for mass, (home, away) in zip(named, listed, strict=True) if home > away)
    assert won + parts[0] == pytest.approx(scores.outcome.home, abs=1e-9)


def test_books_list_scores_up_to_three_each_and_a_score_beyond_the_grid_cannot_be() -> None:
    assert price(GAME, "correct_score", "other") == price(GAME, "correct_score", "other", 3)
    assert price(GAME, "correct_score", "2-1").win == GAME.grid[2, 1]
    assert shares(price(GAME, "correct_score", "99-0")) == (0.0, 0.0, pytest.approx(1))


@given(scores=either, line=halves)
def test_team_totals_are_those_of_one_side(scores: ScoreDistribution, line: float) -> None:
    points = np.arange(len(scores.grid))
    over = price(scores, "home_total", "over", line)
    assert over.win == pytest.approx(scores.grid[points > line].sum(), abs=1e-12)
    assert over.push == pytest.approx(scores.grid[points == line].sum(), abs=1e-12)
    assert price(scores, "away_total", "over", line).win == pytest.approx(
        scores.grid[:, points > line].sum(), abs=1e-12
    )


@given(scores=hockey)
def test_the_sixty_minute_market_has_a_draw_that_the_moneyline_gives_to_the_winner(scores: ScoreDistribution) -> None:
    home, draw, away = (price(scores, "regulation", side) for side in ("home", "draw", "away"))
    assert home.win + draw.win + away.win == pytest.approx(1, abs=1e-9)
    assert home.push == draw.push == away.push == 0
    final = scores.outcome
    assert home.win <= final.home + 1e-12
    assert away.win <= final.away + 1e-12
    assert home.win + away.win + draw.win == pytest.approx(final.home + final.away, abs=1e-9)
    by_one = price(scores, "spread", "home", 1.5).win - price(scores, "spread", "home", -1.5).win
    assert draw.win == pytest.approx(scores.overtime_share * by_one, abs=1e-9)


def test_a_sport_that_is_not_played_out_has_no_sixty_minute_market() -> None:
    with pytest.raises(ValidationError, match="no market on regulation time") as refused:
        price(GAME, "regulation", "home")
    assert refused.value.facts == {"field": "market"}


@given(scores=either, legs=st.lists(bets(lines=quarters), min_size=1, max_size=3))
def test_a_combination_is_never_likelier_than_any_of_its_legs(
    scores: ScoreDistribution, legs: list[MarketSelection]
) -> None:
    together = combine(scores, legs)
    assert sum(shares(together)) == pytest.approx(1, abs=1e-9)
    for leg in legs:
        alone = price(scores, leg.market, leg.selection, leg.line)
        assert together.win <= alone.win + 1e-9
        assert together.lose >= alone.lose - 1e-9


@given(scores=either, bet=bets(lines=halves))
def test_a_bet_combined_with_itself_or_with_what_always_wins_is_itself(
    scores: ScoreDistribution, bet: MarketSelection
) -> None:
    alone = pytest.approx(shares(price(scores, bet.market, bet.selection, bet.line)), abs=1e-9)
    assert shares(combine(scores, [bet])) == alone
    assert shares(combine(scores, [bet, bet])) == alone
    certain = MarketSelection("total", "over", -0.5)
    assert combine(scores, [bet, certain]).win == pytest.approx(price(scores, bet.market, bet.selection, bet.line).win)


def test_legs_of_one_game_are_priced_with_their_correlation() -> None:
    home, over, both = (
        MarketSelection("moneyline", "home"),
        MarketSelection("total", "over", 2.5),
        MarketSelection("both_teams_score", "yes"),
    )
    margin, total = (
        np.subtract.outer(*2 * [np.arange(len(GAME.grid))]),
        np.add.outer(*2 * [np.arange(len(GAME.grid))]),
    )
    assert combine(GAME, [home, over]).win == pytest.approx(GAME.grid[(margin > 0) & (total > 2)].sum())
    alone = [price(GAME, leg.market, leg.selection, leg.line).win for leg in (over, both)]
    assert combine(GAME, [over, both]).win > 1.2 * alone[0] * alone[1]
    assert combine(GAME, [home, MarketSelection("moneyline", "away")]).win == 0


@given(total=halves, line=halves)
def test_a_leg_that_pushes_is_void_and_returns_the_stake_unless_another_leg_loses(total: float, line: float) -> None:
    legs = [MarketSelection("total", "over", abs(total)), MarketSelection("spread", "home", line)]
    home, away = np.indices(GAME.grid.shape)
    over, cover = np.sign(home + away - abs(total)), np.sign(home - away + line)
    together = combine(GAME, legs)
    assert together.win == pytest.approx(GAME.grid[(over > 0) & (cover > 0)].sum(), abs=1e-12)
    assert together.lose == pytest.approx(GAME.grid[(over < 0) | (cover < 0)].sum(), abs=1e-12)


@given(scores=either, total=halves, other=bets(lines=halves))
def test_a_quarter_line_halves_the_stake_of_the_whole_combination(
    scores: ScoreDistribution, total: float, other: MarketSelection
) -> None:
    halved = [shares(combine(scores, [MarketSelection("total", "over", at), other])) for at in (total, total + 0.5)]
    together = shares(combine(scores, [MarketSelection("total", "over", total + 0.25), other]))
    assert together == pytest.approx(tuple(np.mean(halved, axis=0)), abs=1e-12)


@given(scores=hockey)
def test_sixty_minutes_and_the_final_score_combine(scores: ScoreDistribution) -> None:
    level, home, away = (
        MarketSelection("regulation", "draw"),
        MarketSelection("moneyline", "home"),
        MarketSelection("moneyline", "away"),
    )
    won = [combine(scores, [level, side]).win for side in (home, away)]
    assert sum(won) == pytest.approx(price(scores, "regulation", "draw").win, abs=1e-9)
    assert combine(scores, [MarketSelection("regulation", "home"), home]).win == pytest.approx(
        price(scores, "regulation", "home").win, abs=1e-9
    )
    assert combine(scores, [level, MarketSelection("spread", "home", -1.5)]).win == pytest.approx(0, abs=1e-12)


@given(scores=either, outcome=outcomes(), bet=bets(lines=quarters))
def test_all_that_is_priced_from_a_reweighted_grid_is_priced_from_one_grid(
    scores: ScoreDistribution, outcome: Outcome, bet: MarketSelection
) -> None:
    reweighted = scores.with_outcome(outcome)
    given_each = [combine(reweighted, [MarketSelection("moneyline", side), bet]) for side in ("home", "draw", "away")]
    assert sum(part.win for part in given_each) == pytest.approx(
        price(reweighted, bet.market, bet.selection, bet.line).win, abs=1e-9
    )


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
        ("double_chance", "home_or_draw", None, "push", "selection"),
        ("home_total", "over", None, "draw", "line"),
        ("correct_score", "2:1", None, "draw", "selection"),
        ("correct_score", "other", 2.5, "draw", "line"),
        ("correct_score", "other", float("nan"), "draw", "line"),
        ("correct_score", "other", -1, "draw", "line"),
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


@pytest.mark.parametrize("count", [0, MOST_LEGS + 1])
def test_a_combination_has_between_one_and_ten_legs(count: int) -> None:
    with pytest.raises(ValidationError, match="legs: a combination has 1 to 10 legs"):
        combine(GAME, [MarketSelection("moneyline", "home")] * count)


@given(scores=either, selection=st.sampled_from(["home", "draw", "away"]), ties=st.sampled_from(["draw", "push"]))
def test_who_wins_can_be_priced_without_the_scores(scores: ScoreDistribution, selection: Any, ties: str) -> None:
    assume(ties == "draw" or selection != "draw")
    short = on_winner(scores.outcome, selection, ties=ties)
    assert shares(short) == pytest.approx(shares(price(scores, "moneyline", selection, ties=ties)), abs=1e-12)


any_bet = st.builds(
    MarketSelection,
    st.sampled_from([*SELECTIONS, "corners"]),
    st.sampled_from(sorted({*(side for sides in SELECTIONS.values() for side in sides), "0-19", "999-999", "x"})),
    st.none() | st.integers(-4_000, 4_000).map(lambda count: count / 4) | st.sampled_from([26.75, 1000.0, 0.1, 1e300]),
)


@given(scores=either | hockey, bet=any_bet, ties=st.sampled_from(["draw", "push", "impossible"]))
def test_a_bet_is_priced_or_refused_alone_and_in_a_combination_alike(
    scores: ScoreDistribution, bet: MarketSelection, ties: str
) -> None:
    def outcome(ask: Any) -> object:
        try:
            return pytest.approx(shares(ask()), abs=1e-9)
        except ValidationError as error:
            return error.message

    alone = outcome(lambda: price(scores, bet.market, bet.selection, bet.line, ties=ties))
    together = outcome(lambda: combine(scores, [bet], ties=ties))
    assert together == (alone if isinstance(alone, str) else tuple(alone.expected))  # type: ignore[attr-defined]

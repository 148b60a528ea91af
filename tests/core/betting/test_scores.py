"""A score distribution sums to one, has the shape it was asked for, and moves exactly to the outcome that is asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nbinom, norm, poisson, skellam

from core.betting.scores import Outcome, ScoreDistribution
from tests.core.betting.one_game import goal_scores, point_scores

means = st.floats(0.05, 12)
dispersions = st.one_of(st.just(1.0), st.floats(1.0, 3.0))
goals = st.builds(goal_scores, means, means, dispersions)
points = st.builds(point_scores, st.floats(-30, 30), st.floats(20, 230), st.floats(5, 20), st.floats(5, 25))
profiles = st.lists(st.floats(0.2, 3), min_size=1, max_size=12)
weighted_goals = st.builds(goal_scores, st.floats(0.5, 6), st.floats(0.5, 6), dispersions, profiles)
weighted_points = st.builds(
    point_scores,
    st.floats(-20, 20),
    st.floats(30, 120),
    st.floats(8, 15),
    st.floats(8, 15),
    profiles,
)
either = st.one_of(goals, points, weighted_goals, weighted_points)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    home, draw_, away = (draw(st.floats(0.001, 1)) for _ in range(3))
    total = home + draw_ + away
    return Outcome(home / total, draw_ / total, away / total)


hockey = st.builds(
    lambda scores, home, share: scores.with_outcome(Outcome(home, 0.0, 1 - home)).with_overtime(share),
    st.one_of(goals, weighted_goals),
    st.floats(0.05, 0.95),
    st.floats(0, 1),
)


@given(scores=either)
def test_every_grid_sums_to_one_and_so_does_all_that_is_summed_from_it(scores: ScoreDistribution) -> None:
    assert scores.grid.sum() == pytest.approx(1, abs=1e-9)
    assert (scores.grid >= 0).all()
    assert scores.margins.sum() == pytest.approx(1, abs=1e-9)
    assert scores.totals.sum() == pytest.approx(1, abs=1e-9)
    outcome = scores.outcome
    assert outcome.home + outcome.draw + outcome.away == pytest.approx(1, abs=1e-9)


@given(home=means, away=means)
def test_a_grid_of_goals_is_the_product_of_two_poisson_laws(home: float, away: float) -> None:
    scores = goal_scores(home, away)
    counts = np.arange(len(scores.grid))
    assert scores.grid == pytest.approx(np.outer(poisson.pmf(counts, home), poisson.pmf(counts, away)), abs=1e-9)
    assert scores.totals == pytest.approx(poisson.pmf(np.arange(len(scores.totals)), home + away), abs=1e-9)
    assert scores.outcome.home == pytest.approx(skellam.sf(0, home, away), abs=1e-8)
    assert scores.outcome.draw == pytest.approx(skellam.pmf(0, home, away), abs=1e-8)


@given(home=means, away=means, dispersion=st.floats(1.01, 3))
def test_dispersion_is_variance_over_mean(home: float, away: float, dispersion: float) -> None:
    grid = goal_scores(home, away, dispersion).grid
    counts, masses = np.arange(len(grid)), grid.sum(axis=1)
    mean = masses @ counts
    assert mean == pytest.approx(home, abs=1e-6)
    assert masses @ (counts - mean) ** 2 == pytest.approx(dispersion * home, rel=1e-4)
    assert masses == pytest.approx(nbinom.pmf(counts, home / (dispersion - 1), 1 / dispersion), abs=1e-9)


@given(home=means, away=means, dispersion=dispersions)
def test_means_of_goals_are_those_asked_for(home: float, away: float, dispersion: float) -> None:
    scores = goal_scores(home, away, dispersion)
    assert scores.margin_mean == pytest.approx(home - away, abs=1e-6)
    assert scores.total_mean == pytest.approx(home + away, abs=1e-6)


@given(margin=st.floats(-15, 15), total=st.floats(180, 230), spread=st.floats(8, 14))
def test_margin_and_total_of_points_are_those_asked_for(margin: float, total: float, spread: float) -> None:
    scores = point_scores(margin, total, spread, 18)
    assert scores.margin_mean == pytest.approx(margin, abs=0.02)
    assert scores.total_mean == pytest.approx(total, abs=0.02)
    assert scores.outcome.home == pytest.approx(norm.sf(0.5, margin, spread), abs=1e-3)
    margins = np.arange(len(scores.margins)) - (len(scores.grid) - 1)
    assert np.sqrt(scores.margins @ (margins - scores.margin_mean) ** 2) == pytest.approx(spread, rel=0.01)


def test_points_of_one_game_have_equal_parity() -> None:
    scores = point_scores(3, 45, 13, 13)
    home, away = np.indices(scores.grid.shape)
    by_total = [scores.grid[home + away == total].sum() for total in range(30)]
    assert by_total == pytest.approx(list(scores.totals[:30]))


@given(scores=either, outcome=outcomes())
def test_reweighting_gives_exactly_the_outcome_asked_for(scores: ScoreDistribution, outcome: Outcome) -> None:
    reweighted = scores.with_outcome(outcome).outcome
    assert (reweighted.home, reweighted.draw, reweighted.away) == pytest.approx(
        (outcome.home, outcome.draw, outcome.away), abs=1e-9
    )


@given(scores=goals, outcome=outcomes())
def test_reweighting_keeps_the_odds_between_scores_of_one_winner(scores: ScoreDistribution, outcome: Outcome) -> None:
    reweighted = scores.with_outcome(outcome)
    wins = np.tril(np.ones_like(scores.grid), k=-1).astype(bool)
    assert reweighted.grid[wins] / outcome.home == pytest.approx(scores.grid[wins] / scores.outcome.home, abs=1e-9)


@given(scores=either, outcome=outcomes())
def test_outcome_and_means_are_the_sums_over_the_grid(scores: ScoreDistribution, outcome: Outcome) -> None:
    for one in (scores, scores.with_outcome(outcome)):
        home, away = np.indices(one.grid.shape)
        assert one.outcome.home == pytest.approx(one.grid[home > away].sum(), abs=1e-12)
        assert one.outcome.draw == pytest.approx(one.grid[home == away].sum(), abs=1e-12)
        assert one.outcome.away == pytest.approx(one.grid[home < away].sum(), abs=1e-12)
        assert one.margin_mean == pytest.approx(((home - away) * one.grid).sum(), abs=1e-9)
        assert one.total_mean == pytest.approx(((home + away) * one.grid).sum(), rel=1e-12)


@given(scores=either)
@pytest.mark.slow
def test_reweighting_to_where_it_stands_changes_nothing(scores: ScoreDistribution) -> None:
    assert scores.with_outcome(scores.outcome).grid == pytest.approx(scores.grid, abs=1e-12)


def test_an_impossible_draw_leaves_no_level_score() -> None:
    reweighted = point_scores(3, 215, 12, 18).with_outcome(Outcome(0.6, 0.0, 0.4))
    assert np.trace(reweighted.grid) == 0
    assert reweighted.outcome.home == pytest.approx(0.6)
    assert reweighted.outcome.decided_home == pytest.approx(0.6)


def test_decided_home_leaves_the_draw_out() -> None:
    assert Outcome(0.3, 0.4, 0.3).decided_home == 0.5


@given(margin=st.floats(-200, 200), total=st.floats(-300, 300), spread=st.floats(1, 30), other=st.floats(1, 30))
def test_a_model_gone_astray_still_makes_a_distribution(
    margin: float, total: float, spread: float, other: float
) -> None:
    scores = point_scores(margin, total, spread, other)
    assert scores.grid.sum() == pytest.approx(1, abs=1e-9)
    assert np.isfinite(goal_scores((total + margin) / 2, (total - margin) / 2, 1.2).margin_mean)


@given(home=means, away=means)
def test_changing_ends_turns_the_grid_over(home: float, away: float) -> None:
    there, back = goal_scores(home, away), goal_scores(away, home)
    assert there.grid == pytest.approx(back.grid.T, abs=1e-12)
    assert there.margins == pytest.approx(back.margins[::-1], abs=1e-12)


@given(home=st.floats(0.5, 6), away=st.floats(0.5, 6), dispersion=dispersions, profile=profiles)
def test_weighting_the_margins_of_goals_keeps_both_means(
    home: float, away: float, dispersion: float, profile: list[float]
) -> None:
    scores = goal_scores(home, away, dispersion, profile)
    assert scores.margin_mean == pytest.approx(home - away, abs=1e-5)
    assert scores.total_mean == pytest.approx(home + away, abs=1e-5)


@given(margin=st.floats(-15, 15), profile=profiles)
def test_weighting_the_margins_of_points_keeps_their_mean(margin: float, profile: list[float]) -> None:
    plain = point_scores(margin, 100, 12, 14)
    weighted = point_scores(margin, 100, 12, 14, profile)
    assert weighted.margin_mean == pytest.approx(plain.margin_mean, abs=1e-3)


def test_a_key_number_gets_its_weight_beside_its_mirror_image() -> None:
    """Opposite margins are weighted alike, so between even sides their ratio to the plain law is the weight itself."""
    weights = [1.0, 0.8, 0.9, 2.5]
    plain = point_scores(0, 60, 13, 13)
    keyed = point_scores(0, 60, 13, 13, weights)
    zero = len(plain.grid) - 1
    ratios = keyed.margins[zero - 3 : zero + 4] / plain.margins[zero - 3 : zero + 4]
    assert ratios / ratios[3] == pytest.approx([2.5, 0.9, 0.8, 1.0, 0.8, 0.9, 2.5], rel=1e-3)
    assert keyed.margins[zero + 20] / plain.margins[zero + 20] == pytest.approx(ratios[3], rel=1e-3)


@given(margin=st.floats(-200, 200), total=st.floats(-300, 300), spread=st.floats(1, 30), profile=profiles)
def test_a_model_gone_astray_still_makes_a_distribution_with_key_numbers(
    margin: float, total: float, spread: float, profile: list[float]
) -> None:
    for scores in (
        point_scores(margin, total, spread, spread, profile),
        goal_scores(abs(margin) / 5, abs(total) / 5, 1.2, profile),
    ):
        assert np.isfinite(scores.grid).all()
        assert scores.grid.sum() == pytest.approx(1, abs=1e-9)


def test_a_profile_of_ones_changes_nothing() -> None:
    plain, ones = (point_scores(3, 45, 13, 13, weights) for weights in ((), (1.0, 1.0)))
    assert ones.grid == pytest.approx(plain.grid, abs=1e-15)


@given(scores=hockey)
def test_regulation_takes_overtime_back_from_games_won_by_one(scores: ScoreDistribution) -> None:
    before = scores.regulation
    assert before.grid.sum() == pytest.approx(1, abs=1e-9)
    far = np.abs(np.subtract.outer(*2 * [np.arange(len(scores.grid))])) > 1
    assert (before.grid[far] == scores.grid[far]).all()
    assert before.total_mean == pytest.approx(scores.total_mean - before.outcome.draw, abs=1e-9)


@pytest.mark.parametrize(("share", "drawn"), [(0.0, 0.0), (1.0, 1.0)])
def test_the_share_of_overtime_is_of_the_games_won_by_one(share: float, drawn: float) -> None:
    scores = goal_scores(3, 3).with_outcome(Outcome(0.5, 0.0, 0.5)).with_overtime(share)
    zero = len(scores.grid) - 1
    by_one = scores.margins[zero + 1] + scores.margins[zero - 1]
    assert scores.regulation.outcome.draw == pytest.approx(drawn * by_one)


def test_reweighting_keeps_how_the_sport_is_played_out() -> None:
    scores = goal_scores(3, 3).with_overtime(0.5)
    assert scores.with_outcome(Outcome(0.6, 0.0, 0.4)).overtime_share == 0.5

"""Shares and calibrations: what is better gets more, and noise gets nothing beyond its prior."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from training.fitting.blending import mean_shares, outcome_shares, prior_shares
from training.fitting.calibration import NONE, SHIFTED, choose_calibration, choose_way

Games = Callable[..., tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def random() -> np.random.Generator:
    """Each test's own: what a test sees does not hang on those before it."""
    return np.random.default_rng(5)


@pytest.fixture
def games(random: np.random.Generator) -> Games:
    return partial(drawn, random)


def drawn(
    random: np.random.Generator, number: int, slope: float = 1.0, shift: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of two classes, and outcomes whose log-odds are ``slope`` times the forecast ones plus ``shift``."""
    logit = random.normal(size=number)
    forecasts = np.column_stack((-np.logaddexp(0, -logit), -np.logaddexp(0, logit)))
    happened = (random.random(number) > 1 / (1 + np.exp(-(slope * logit + shift)))).astype(np.int64)
    return forecasts, happened


def test_a_learner_that_knows_takes_the_blend_from_one_that_guesses(games: Games) -> None:
    forecasts, outcomes = games(3_000)
    noise, _ = games(3_000)
    shares = outcome_shares(np.stack((forecasts, noise)), outcomes, prior_shares(0.5, 2), 10)
    assert shares[0] > 0.9
    assert shares.sum() == pytest.approx(1)


def test_without_games_the_prior_stands_and_few_hardly_move_it(games: Games) -> None:
    forecasts, outcomes = games(30)
    noise, _ = games(30)
    prior = prior_shares(0.9, 3)
    both = np.stack((noise, forecasts, forecasts))
    assert np.array_equal(outcome_shares(both[:, :0], outcomes[:0], prior, 3_000), prior)
    assert outcome_shares(both, outcomes, prior, 3_000) == pytest.approx(prior, abs=0.01)
    assert prior.tolist() == pytest.approx([0.9, 0.05, 0.05])


def test_equal_learners_share_as_the_prior_says(games: Games) -> None:
    forecasts, outcomes = games(2_000)
    shares = outcome_shares(np.stack((forecasts, forecasts, forecasts)), outcomes, prior_shares(1 / 3, 3), 100)
    assert shares == pytest.approx([1 / 3] * 3, abs=0.002)


def test_means_are_shared_by_squared_error(random: np.random.Generator) -> None:
    truth = random.normal(size=500)
    off = random.normal(size=500)
    assert mean_shares(np.stack((truth + off, truth - off, 0 * truth)), truth) == pytest.approx([0.5, 0.5, 0])


def test_what_is_calibrated_is_left_alone(games: Games) -> None:
    blocks = [games(500) for _ in range(4)]
    calibration = choose_calibration(blocks, 2)
    assert choose_way(blocks, 2) == NONE
    assert (calibration.slope, calibration.shifts) == (1.0, (0.0, 0.0))


def test_what_is_not_is_mended(games: Games) -> None:
    blocks = [games(1_500, slope=0.5, shift=0.6) for _ in range(4)]
    calibration = choose_calibration(blocks, 2)
    assert choose_way(blocks, 2) == SHIFTED
    assert calibration.slope == pytest.approx(0.5, abs=0.12)
    assert calibration.shifts[0] == pytest.approx(0.6, abs=0.2)
    assert calibration.shifts[1] == 0.0


def test_one_block_is_no_evidence(games: Games) -> None:
    assert choose_way([games(2_000, slope=0.3)], 2) == NONE

"""The range around a favourite's chance holds the true frequency as often as it claims, whatever the calibration."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logit
from scipy.stats import binomtest

from core.arrays import FloatArray
from training.fitting.intervals import CONFIDENCE, DEVIATIONS, _wilson, favourites_band

CALIBRATIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "perfect": lambda chances: chances,
    "too sure": lambda chances: expit(0.8 * logit(chances)),
    "not sure enough": lambda chances: expit(1.25 * logit(chances)),
    "wavy": lambda chances: chances + 0.05 * np.sin((chances - 0.5) * 4 * np.pi),
}


def favourites(games: int, random: np.random.Generator) -> FloatArray:
    return np.asarray(0.5 + 0.45 * random.beta(1.3, 2, games))


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("games", [300, 1_000, 4_000])
def test_true_frequencies_lie_in_the_band_as_often_as_it_says(calibration: str, games: int) -> None:
    random = np.random.default_rng(11)
    covered = []
    for _ in range(30):
        chances = favourites(games, random)
        band = favourites_band(chances, random.random(games) < CALIBRATIONS[calibration](chances))
        asked = favourites(40, random)
        low, high = band(asked)
        truth = CALIBRATIONS[calibration](asked)
        covered.append(((low <= truth) & (truth <= high)).mean())
    assert np.mean(covered) >= CONFIDENCE


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_frequencies_of_bins_of_later_games_lie_in_it_but_for_their_own_noise(calibration: str) -> None:
    random = np.random.default_rng(12)
    inside = []
    for _ in range(30):
        chances, later = favourites(1_000, random), favourites(5_000, random)
        band = favourites_band(chances, random.random(1_000) < CALIBRATIONS[calibration](chances))
        won = random.random(5_000) < CALIBRATIONS[calibration](later)
        low, high = band(later)
        for some in np.array_split(np.argsort(later), 10):
            share = won[some].mean()
            noise = DEVIATIONS * np.sqrt(share * (1 - share) / len(some))
            inside.append(low[some].mean() - noise <= share <= high[some].mean() + noise)
    assert np.mean(inside) >= CONFIDENCE


def test_more_games_narrow_the_band() -> None:
    random = np.random.default_rng(13)
    widths = []
    for games in (200, 2_000, 20_000):
        chances = favourites(games, random)
        low, high = favourites_band(chances, random.random(games) < chances)(np.array([0.6, 0.7]))
        widths.append((high - low).mean())
    assert widths[0] > 1.5 * widths[1] > 2 * widths[2]


@given(
    arrays(np.float64, st.integers(100, 200), elements=st.floats(0.34, 1.0)),
    st.randoms(use_true_random=False),
    st.floats(0, 1),
)
def test_the_band_always_holds_the_chance_and_stays_a_chance(chances: FloatArray, random, asked: float) -> None:  # type: ignore[no-untyped-def]
    won = np.array([random.random() < chance for chance in chances])
    low, high = favourites_band(chances, won)(np.array([asked]))
    assert 0 <= low[0] <= asked <= high[0] <= 1


@pytest.mark.parametrize("hits", [0, 1, 25, 50])
def test_wilsons_interval_is_scipys(hits: int) -> None:
    low, high = _wilson(np.array([float(hits)]), 50)
    theirs = binomtest(hits, 50).proportion_ci(CONFIDENCE, method="wilson")
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high), abs=1e-5)

"""A book counts for more in a consensus only as far as past games have shown that it knows more."""

import numpy as np
import pytest

from core.betting.books.weights import FEWEST_GAMES, learn_weights

GAMES = 6_000


def season(noises: dict[str, float], games: int = GAMES) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Books whose log odds are the truth with noise of their own."""
    random = np.random.default_rng(5)
    truth = random.normal(0, 0.9, games)
    outcomes = (random.random(games) > 1 / (1 + np.exp(-truth))).astype(np.int64)
    chances = {}
    for book, noise in noises.items():
        home = 1 / (1 + np.exp(-(truth + random.normal(0, noise, games))))
        chances[book] = np.column_stack((home, 1 - home))
    return chances, outcomes


def loss(chances: dict[str, np.ndarray], weights: dict[str, float], outcomes: np.ndarray) -> float:
    mean = sum(weights.get(book, 1.0) * own for book, own in chances.items()) / sum(
        weights.get(book, 1.0) for book in chances
    )
    return float(-np.log(mean[np.arange(len(outcomes)), outcomes]).mean())


def test_a_sharp_book_earns_weight_and_a_noisy_one_loses_it() -> None:
    chances, outcomes = season({"sharp": 0.05, "usual": 0.4, "noisy": 1.2})
    weights = learn_weights(chances, outcomes)
    assert weights["sharp"] > 1.1 > weights["noisy"] + 0.1
    assert np.mean(list(weights.values())) == pytest.approx(1)
    assert loss(chances, weights, outcomes) < loss(chances, {}, outcomes)


def test_equal_books_keep_nearly_equal_weights() -> None:
    chances, outcomes = season({"a": 0.2, "b": 0.2, "c": 0.2})
    assert learn_weights(chances, outcomes) == pytest.approx(dict.fromkeys("abc", 1.0), abs=0.25)


def test_a_short_record_earns_nothing() -> None:
    chances, outcomes = season({"a": 0.05, "b": 1.2}, FEWEST_GAMES - 1)
    assert learn_weights(chances, outcomes) == {}
    assert learn_weights({"alone": chances["a"]}, outcomes) == {}


def test_a_book_that_is_missing_in_some_games_is_judged_by_the_others_it_met() -> None:
    chances, outcomes = season({"sharp": 0.05, "noisy": 1.0})
    chances["sharp"][::3] = np.nan
    weights = learn_weights(chances, outcomes)
    assert weights["sharp"] > weights["noisy"]


def test_games_without_a_result_do_not_count() -> None:
    chances, outcomes = season({"a": 0.05, "b": 1.2})
    without = outcomes.copy()
    without[FEWEST_GAMES - 10 :] = -1
    assert learn_weights(chances, without) == {}

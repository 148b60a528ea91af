"""How much each book counts in a consensus, as far as past games have shown that it knows more than others."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray

FEWEST_GAMES: Final = 500
"""A book with fewer games keeps the weight 1."""
PRIOR_GAMES: Final = 250.0
"""Games of equal weights that each book's record is added to: a short record changes little."""
ROUNDS: Final = 500
TOLERANCE: Final = 1e-9


def learn_weights(chances: Mapping[str, FloatArray], outcomes: NDArray[np.int64]) -> dict[str, float]:
    """Weights of the books in a mean of their probabilities, by the log loss of past games; their mean is 1.

    ``chances`` holds shape (games, outcomes) by book, NaN where it showed no price; games with an outcome below 0 do
    not count. Empty unless several books have ``FEWEST_GAMES``. The shares of a linear opinion pool are those of a
    mixture, found by expectation and maximisation (Dempster, Laird & Rubin 1977) with a symmetric Dirichlet prior; in a
    game where a book is missing, the others keep their proportions.
    """
    known = outcomes >= 0
    games = np.flatnonzero(known)
    of_outcome = {book: own[games, outcomes[games]] for book, own in sorted(chances.items())}
    books = [book for book, own in of_outcome.items() if (~np.isnan(own)).sum() >= FEWEST_GAMES]
    if len(books) < 2:
        return {}
    chance = np.column_stack([of_outcome[book] for book in books])
    compared = (~np.isnan(chance)).sum(axis=1) > 1
    chance = np.nan_to_num(chance[compared])
    weights = _mixture(chance, chance > 0)
    return dict(zip(books, weights.tolist(), strict=True))


def _mixture(chance: FloatArray, present: NDArray[np.bool_]) -> FloatArray:
    weights = np.ones(chance.shape[1])
    for _ in range(ROUNDS):
        share = present * weights
        share = share / share.sum(axis=1, keepdims=True)
        part = share * chance
        responsible = (part / part.sum(axis=1, keepdims=True)).sum(axis=0)
        expected = share.sum(axis=0)
        better = weights * (responsible + PRIOR_GAMES) / (expected + PRIOR_GAMES * weights / weights.mean())
        better = better / better.mean()
        if np.abs(better - weights).max() < TOLERANCE:
            return np.asarray(better)
        weights = better
    return np.asarray(weights)

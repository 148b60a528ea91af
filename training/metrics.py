"""Scores of probability forecasts. ``probabilities`` has shape (games, classes), ``outcomes`` holds class indices."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.betting.odds import FloatArray

Indices = NDArray[np.int64]
SMALLEST: Final = 1e-12
BINS: Final = 10


def log_losses(probabilities: FloatArray, outcomes: Indices) -> FloatArray:
    """Minus the logarithm of what each game's outcome was given [nats]."""
    given = probabilities[np.arange(len(outcomes)), outcomes]
    return np.asarray(-np.log(np.clip(given, SMALLEST, 1)))


def brier_scores(probabilities: FloatArray, outcomes: Indices) -> FloatArray:
    """Squared distance from the outcome, summed over classes and halved in two-way games (Brier 1950)."""
    happened = np.eye(probabilities.shape[1])[outcomes]
    squared = ((probabilities - happened) ** 2).sum(axis=1)
    return np.asarray(squared / 2 if probabilities.shape[1] == 2 else squared)


def ranked_probability_scores(probabilities: FloatArray, outcomes: Indices) -> FloatArray:
    """Squared distance of the cumulative probabilities (Epstein 1969), for classes in order home, draw, away."""
    happened = np.eye(probabilities.shape[1])[outcomes]
    difference = np.cumsum(probabilities - happened, axis=1)[:, :-1]
    return np.asarray((difference**2).sum(axis=1) / (probabilities.shape[1] - 1))


def accuracy(probabilities: FloatArray, outcomes: Indices) -> float:
    """Share of games whose likeliest class happened. Shown, never decisive."""
    return float((probabilities.argmax(axis=1) == outcomes).mean())


def calibration_error(probabilities: FloatArray, outcomes: Indices) -> float:
    """Expected calibration error: ten bins of equal width per class, weighted by games, averaged over classes."""
    happened = np.eye(probabilities.shape[1])[outcomes]
    return float(np.mean([_binned_gap(p, h) for p, h in zip(probabilities.T, happened.T, strict=True)]))


def calibration_floor(probabilities: FloatArray, *, seed: int = 1, draws: int = 100) -> float:
    """The calibration error that these forecasts would show, at this number of games, if they were exactly right."""
    random = np.random.default_rng(seed)
    cumulative = np.cumsum(probabilities, axis=1)
    errors = [
        calibration_error(
            probabilities,
            np.minimum((random.random((len(cumulative), 1)) > cumulative).sum(axis=1), cumulative.shape[1] - 1),
        )
        for _ in range(draws)
    ]
    return float(np.mean(errors))


def _binned_gap(probabilities: FloatArray, happened: FloatArray) -> float:
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    said = np.bincount(bins, probabilities, BINS)
    came = np.bincount(bins, happened, BINS)
    return float(np.abs(said - came).sum() / len(probabilities))


def standard_error(values: FloatArray) -> float:
    """Standard error of the mean."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")

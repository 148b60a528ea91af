"""Scores of probability forecasts. ``probabilities`` has shape (games, classes), ``outcomes`` holds class indices."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray

Indices = NDArray[np.int64]
SMALLEST: Final = 1e-12
BINS: Final = 10


def log_losses(probabilities: FloatArray, outcomes: Indices) -> FloatArray:
    """Minus the logarithm of the probability of each game's outcome [nats]."""
    chances = probabilities[np.arange(len(outcomes)), outcomes]
    return np.asarray(-np.log(np.clip(chances, SMALLEST, 1)))


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
    """Share of games whose most probable class happened. For display; no decision depends on it."""
    return float(hits(probabilities, outcomes).mean())


def hits(probabilities: FloatArray, outcomes: Indices) -> FloatArray:
    """1 for each game whose most probable class happened, else 0."""
    return np.asarray(probabilities.argmax(axis=1) == outcomes, dtype=np.float64)


def calibration_error(probabilities: FloatArray, outcomes: Indices) -> float:
    """Expected calibration error: ten bins of equal width per class, weighted by games, averaged over classes."""
    happened = np.eye(probabilities.shape[1])[outcomes]
    return float(np.mean([_binned_gap(p, h) for p, h in zip(probabilities.T, happened.T, strict=True)]))


def calibration_floor(probabilities: FloatArray, *, seed: int = 1, draws: int = 100) -> float:
    """The calibration error that chance alone gives these forecasts, if they are exactly right, at this many games."""
    return float(np.mean(perfect_calibration_errors(probabilities, seed=seed, draws=draws)))


def perfect_calibration_errors(probabilities: FloatArray, *, seed: int = 1, draws: int = 100) -> FloatArray:
    """Calibration errors of outcomes drawn from the forecasts themselves, shape (draws,)."""
    random = np.random.default_rng(seed)
    cumulative = np.cumsum(probabilities, axis=1)
    errors = [
        calibration_error(
            probabilities,
            np.minimum((random.random((len(cumulative), 1)) > cumulative).sum(axis=1), cumulative.shape[1] - 1),
        )
        for _ in range(draws)
    ]
    return np.array(errors)


def _binned_gap(probabilities: FloatArray, happened: FloatArray) -> float:
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    forecast = np.bincount(bins, probabilities, BINS)
    observed = np.bincount(bins, happened, BINS)
    return float(np.abs(forecast - observed).sum() / len(probabilities))


WEEK: Final = 7 * 86_400.0


def weeks(starts: FloatArray) -> Indices:
    """The week of each start [seconds since 1970]. Games within a week are not independent of each other."""
    return np.asarray(np.floor(starts / WEEK), dtype=np.int64)


def standard_error(values: FloatArray, clusters: Indices | None = None) -> float:
    """Standard error of the mean of values that may be dependent within a cluster (Liang & Zeger 1986, CR1).

    Without clusters it is the usual standard error. NaN for fewer than two clusters.
    """
    names, places = np.unique(np.arange(len(values)) if clusters is None else clusters, return_inverse=True)
    if len(names) < 2:
        return float("nan")
    sums = np.bincount(places, values - values.mean())
    return float(np.sqrt(len(names) / (len(names) - 1) * (sums**2).sum()) / len(values))


def calibration_difference_error(
    first: FloatArray, second: FloatArray, outcomes: Indices, clusters: Indices, *, seed: int = 1, draws: int = 200
) -> float:
    """Standard error of the difference of two calibration errors on the same games, by a bootstrap over clusters."""
    names, places = np.unique(clusters, return_inverse=True)
    if len(names) < 2:
        return float("nan")
    weights = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    games = weights @ np.bincount(places)
    gaps = [weights @ _gaps_by_cluster(forecast, outcomes, places, len(names)) for forecast in (first, second)]
    errors = [np.abs(gap).sum(axis=1) / games / first.shape[1] for gap in gaps]
    return float(np.std(errors[0] - errors[1], ddof=1))


def _gaps_by_cluster(probabilities: FloatArray, outcomes: Indices, places: Indices, clusters: int) -> FloatArray:
    """Forecast minus observed in every bin of every class, summed per cluster, shape (clusters, classes x bins)."""
    classes = probabilities.shape[1]
    gaps = probabilities - np.eye(classes)[outcomes]
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1) + BINS * np.arange(classes)
    cells = places[:, None] * (classes * BINS) + bins
    summed = np.bincount(cells.ravel(), gaps.ravel(), clusters * classes * BINS)
    return np.asarray(summed.reshape(clusters, classes * BINS))


def outcomes_of(margins: FloatArray, classes: int) -> NDArray[np.int64]:
    """Class index of each home score margin: home, draw where there are three classes, away; -1 where level is none."""
    level = 1 if classes == 3 else -1
    return np.where(margins > 0, 0, np.where(margins < 0, classes - 1, level)).astype(np.int64)

"""The gate's checks of the bundle itself: coherent forecasts, fast forecasts, and rows blind to the future."""

from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray
from core.betting.leagues import League
from core.betting.markets import price
from core.registry.bundles.contents import Bundle
from core.registry.forecaster import Forecast, Forecaster
from feature_store.archive.facts import FactBatch
from feature_store.features.sets import FeatureSet
from feature_store.rows.replay import coming_rows
from training.datasets.assembly import Dataset
from training.promotion.gate import Check

COHERENT_GAMES: Final = 20
COHERENCE: Final = 1e-9
OUTCOME_TOLERANCE: Final = 1e-6
TIMED_ROWS: Final = 30
SLOWEST_ROW: Final = 0.05
"""Median of a one-row forecast [seconds]; a batch of 25 for the bot's drop-down then still fits a second."""
GOLDEN_ROWS: Final = 40
"""Rows of its training data that a bundle holds, and that are computed again before it becomes champion."""


def golden_rows(dataset: Dataset, features: FeatureSet) -> FloatArray:
    """Rows of the training data, evenly spread over the games, including the first and the last."""
    return dataset.columns(features)[_golden_places(dataset)]


def _golden_places(dataset: Dataset) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, len(dataset) - 1, GOLDEN_ROWS).astype(np.int64))


def check_bundle(bundle: Bundle, features: FeatureSet, dataset: Dataset) -> list[Check]:
    """Check the bundle on the dataset's newest rows, and its golden rows against what was known at their start."""
    rows = dataset.columns(features)
    return [
        coherent(bundle.forecaster, dataset.league, rows[-COHERENT_GAMES:]),
        fast(bundle.forecaster, rows[-TIMED_ROWS:]),
        blind_to_the_future(dataset, features, bundle.golden_rows),
    ]


def coherent(forecaster: Forecaster, league: League, rows: FloatArray) -> Check:
    """Every market agrees with one distribution: sums of one, complements, and the calibrated outcome."""
    worst = max(
        _incoherence(forecast, league, outcome)
        for forecast, outcome in zip(forecaster.predict(rows), forecaster.probabilities(rows), strict=True)
    )
    return Check(
        "coherent",
        worst <= 1,
        f"outcome, margin and total of {len(rows)} games differ by {worst:.1g} of what is tolerated",
    )


def _incoherence(forecast: Forecast, league: League, calibrated: FloatArray) -> float:
    """The largest disagreement within one forecast, in tolerances; infinite if something is not a number.

    ``calibrated`` are the class probabilities that the score distribution was reweighted to.
    """
    scores, outcome = forecast.scores, forecast.outcome
    around = float(np.floor(scores.margin_mean)) + 0.5
    total = float(np.floor(scores.total_mean)) + 0.5
    home, away = (
        price(scores, "spread", side, line, ties=league.ties).win
        for side, line in (("home", -around), ("away", around))
    )
    over, under = (price(scores, "total", side, total, ties=league.ties).win for side in ("over", "under"))
    even = price(scores, "spread", "home", -0.5, ties=league.ties).win
    exact = [
        scores.grid.sum() - 1,
        outcome.home + outcome.draw + outcome.away - 1,
        home + away - 1,
        over + under - 1,
        even - outcome.home,
    ]
    decided = np.array(
        (outcome.home, outcome.away) if len(calibrated) == 2 else (outcome.home, outcome.draw, outcome.away)
    )
    from_model = np.abs(decided / decided.sum() - calibrated).max()
    worst = max(float(np.abs(exact).max()) / COHERENCE, float(from_model) / OUTCOME_TOLERANCE)
    return worst if np.isfinite(worst) and float(scores.grid.min()) >= 0 else float("inf")


def fast(forecaster: Forecaster, rows: FloatArray) -> Check:
    """The median time of a one-row forecast."""
    took = []
    for row in rows:
        began = perf_counter()
        forecaster.predict(row[None])
        took.append(perf_counter() - began)
    median = float(np.median(took))
    return Check(
        "fast", median <= SLOWEST_ROW, f"a forecast takes {median * 1e3:.1f} ms, {SLOWEST_ROW * 1e3:.0f} allowed"
    )


def blind_to_the_future(dataset: Dataset, features: FeatureSet, golden: FloatArray) -> Check:
    """Prefix invariance: the ``golden`` rows equal those computed from what was known at each game's start.

    ``golden`` are a bundle's rows, as ``golden_rows`` chose them from this dataset when it was trained.
    """
    places = _golden_places(dataset).tolist()
    name, shown = "blind to the future", f"rows of {len(places)} games made again from history cut at their start"
    if golden.shape != (len(places), len(features.names)):
        return Check(name, passed=False, numbers=f"its {len(golden)} golden rows are not those of {len(places)} games")
    facts = _before_they_ended(dataset.facts)
    differing = [
        f"{dataset.game_ids[place]} ({', '.join(names)})"
        for place, row in zip(places, golden, strict=True)
        if (names := _differing(dataset, facts, features, place, row))
    ]
    return Check(name, not differing, f"{shown}: {'; '.join(differing) or 'equal to the last bit'}")


def _differing(dataset: Dataset, facts: FactBatch, features: FeatureSet, place: int, row: FloatArray) -> Sequence[str]:
    """The features of a game that differ when computed from its past alone."""
    start = datetime.fromtimestamp(dataset.starts[place], UTC)
    alone, _ = coming_rows(dataset.league, facts.known_by(start), features, start)
    again = next((one.values for one in alone if one.game.game_id == dataset.game_ids[place]), None)
    if again is None:
        return ["the game itself was not known then"]
    same = np.equal(again, row) | (np.isnan(again) & np.isnan(row))
    return [name for name, equal in zip(features.names, same.tolist(), strict=True) if not equal]


def _before_they_ended(facts: FactBatch) -> FactBatch:
    """The facts with every game scheduled: in an archive filled later all are final, and none would be forecast."""
    games = [game._replace(status="scheduled") if game.status in ("final", "live") else game for game in facts.games]
    return FactBatch(games, facts.results, facts.quotes)

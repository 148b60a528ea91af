"""What a training goes on in spite of, and says: seasons that overlap, constant features, quotes set aside."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from sqlalchemy.engine import Engine

from core.betting.leagues import League
from feature_store.archive import store as archive
from feature_store.archive.quote_checks import LEAST_OVERROUND, MOST_OVERROUND
from feature_store.features.sets import EVERYTHING
from training.datasets.assembly import Dataset
from training.datasets.splits import overlapping_seasons
from training.fitting.recipe import Recipe

REASONS: Final[Mapping[str, str]] = {
    "overround": f"overround outside {100 * LEAST_OVERROUND:+.0f} % to {100 * MOST_OVERROUND:+.0f} %",
    "decimal odds are above 1": "odds of 1 or less",
    "three-way price": "a three-way price where there are two outcomes",
    "opposite sign": "a spread that contradicts the odds",
    "number, got": "a price or line that is no number",
    "_line: expected": "a line that no game can have",
}
"""What is said of quotes in quarantine by what their reasons have in common; the first that fits counts."""


def quarantined(engine: Engine, league: League) -> Iterator[str]:
    """How many of the league's quotes were set aside as they came in, and why: nothing is learnt from them."""
    counts = Counter(_kind(reason) for reason in archive.quarantined_quotes(engine, league))
    for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f"{count:,} {'quote' if count == 1 else 'quotes'} in quarantine: {kind}"


def _kind(reason: str) -> str:
    return next((kind for mark, kind in REASONS.items() if mark in reason), reason)


def overlaps(dataset: Dataset) -> Iterator[str]:
    """Seasons that begin before an earlier one has ended; what is left of that teaches nothing about them."""
    for season, left in overlapping_seasons(dataset):
        yield (
            f"season {season} begins before an earlier one has ended: {left} games of that are not learnt from in"
            f" forecasting {season}"
        )


def constants(recipe: Recipe, dataset: Dataset) -> tuple[str, ...]:
    """Features of the recipe that have one value, or none, in every game: they carry nothing and get no weight."""
    values = dataset.values[:, [EVERYTHING.names.index(name) for name in recipe.features.names]]
    known = ~np.isnan(values)
    highest = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf)
    lowest = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    return tuple(name for name, low, high in zip(recipe.features.names, lowest, highest, strict=True) if low >= high)

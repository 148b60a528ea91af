"""What a training goes on in spite of, and says: seasons that overlap, features that never change."""

from collections.abc import Iterator

import numpy as np

from feature_store.feature_sets import EVERYTHING
from training.dataset import Dataset
from training.recipe import Recipe
from training.splits import overlapping_seasons


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

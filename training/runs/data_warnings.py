"""Warnings about a training's data: quality checks, overlapping seasons, quarantined quotes, constant features."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy.engine import Engine

from core.betting.leagues import League
from feature_store.archive import store as archive
from feature_store.archive.checks.quotes import LEAST_OVERROUND, MOST_OVERROUND
from feature_store.features.sets import EVERYTHING
from feature_store.identity.duplicate_games import find_duplicates, flag_duplicates
from feature_store.quality.checks import admit, examine_facts, examine_features
from feature_store.quality.flag import Flag
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
"""Short names of the reasons for quarantine, by a part of their text; the first that matches counts."""


def data_warnings(
    engine: Engine, dataset: Dataset, known_by: datetime, accept: Collection[str] = ()
) -> tuple[str, ...]:
    """Everything about the data that a person should know. Raises ServiceError when the quality checks refuse them."""
    flags = map(str, check_quality(engine, dataset, known_by, accept))
    return (*flags, *overlap_warnings(dataset), *quarantine_warnings(engine, dataset.league))


def check_quality(engine: Engine, dataset: Dataset, known_by: datetime, accept: Collection[str] = ()) -> list[Flag]:
    """The quality checks' warnings about the data and about those of the lenders.

    Raises ServiceError for a refusal that ``accept`` does not name.
    """
    parts = (dataset, *dataset.lenders)
    duplicates = [
        flag
        for part in parts
        for flag in flag_duplicates(part.league, find_duplicates(engine, part.league, known_by), set(part.game_ids))
    ]
    facts = [flag for part in parts for flag in examine_facts(part.league, part.facts)]
    features = [
        flag for part in parts for flag in examine_features(part.league, EVERYTHING.names, part.seasons, part.values)
    ]
    return admit([*duplicates, *facts, *features], accept)


def quarantine_warnings(engine: Engine, league: League) -> Iterator[str]:
    """How many of the league's quotes are in quarantine, by reason; no model learns from them."""
    counts = Counter(_short_reason(reason) for reason in archive.quarantined_quotes(engine, league))
    for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f"{count:,} {'quote' if count == 1 else 'quotes'} in quarantine: {kind}"


def _short_reason(reason: str) -> str:
    return next((kind for mark, kind in REASONS.items() if mark in reason), reason)


def overlap_warnings(dataset: Dataset) -> Iterator[str]:
    """Seasons that begin before an earlier one has ended, whose remaining games are not used to forecast them."""
    for season, left in overlapping_seasons(dataset):
        yield (
            f"season {season} begins before an earlier one has ended: {left} games of that are not learnt from in"
            f" forecasting {season}"
        )


def constant_features(recipe: Recipe, dataset: Dataset) -> tuple[str, ...]:
    """Features of the recipe that have one value, or none, in every game: they carry nothing and get no weight."""
    values = dataset.values[:, [EVERYTHING.names.index(name) for name in recipe.features.names]]
    present = ~np.isnan(values)
    highest = np.where(present, values, -np.inf).max(axis=0, initial=-np.inf)
    lowest = np.where(present, values, np.inf).min(axis=0, initial=np.inf)
    return tuple(name for name, low, high in zip(recipe.features.names, lowest, highest, strict=True) if low >= high)

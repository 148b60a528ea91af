"""Ordered lists of features: what a model is trained on, and what it requires when it is served."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

import numpy as np

from core.arrays import FloatArray
from core.errors import DataIntegrityError
from feature_store.features.catalogue import CATALOGUE, Feature
from feature_store.features.situation import Situation
from feature_store.history.ratings import STATE_VERSION, Rules, rules_of


@dataclass(frozen=True)
class FeatureSet:
    """An ordered list of features: a model's contract. Its fingerprint is stored with every model trained on it."""

    name: str
    features: tuple[Feature, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(item.name for item in self.features)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names with versions."""
        return tuple(str(item) for item in self.features)

    def of(self, sport: str) -> "FeatureSet":
        """The features that apply to the sport."""
        return FeatureSet(self.name, tuple(item for item in self.features if not item.sports or sport in item.sports))

    def pick(self, row: Sequence[float]) -> tuple[float, ...]:
        """The set's values, in its order, out of a row of every feature."""
        return tuple([row[place] for place in self._places])

    @cached_property
    def _places(self) -> tuple[int, ...]:
        every = tuple(CATALOGUE)
        return tuple(every.index(name) for name in self.names)

    def fingerprint(self, sport: str) -> str:
        """SHA-256 over names, versions, order and the rules by which the sport's state moves."""
        rules = rules_of(sport)
        if (rules, STATE_VERSION) not in self._fingerprints:
            content = "\n".join((f"state@{STATE_VERSION}", rules.text, *self.labels))
            self._fingerprints[rules, STATE_VERSION] = sha256(content.encode()).hexdigest()
        return self._fingerprints[rules, STATE_VERSION]

    @cached_property
    def _fingerprints(self) -> dict[tuple[Rules, int], str]:
        return {}


def compute(features: FeatureSet, situation: Situation) -> FloatArray:
    """The feature rows, shape (games, features): one column per feature, in the set's order."""
    games = len(situation.game.start)
    rows = np.empty((games, len(features.features)), order="F")
    for place, item in enumerate(features.features):
        rows[:, place] = item.function(situation)
    return rows


def demanded_by(labels: Sequence[str], fingerprint: str, sport: str) -> FeatureSet:
    """The feature set that a registered model was trained on, if this code still computes the same features.

    Raises DataIntegrityError naming the first feature that differs.
    """
    for label in labels:
        name = label.partition("@")[0]
        if name not in CATALOGUE or str(CATALOGUE[name]) != label:
            today = str(CATALOGUE.get(name, "no feature of that name"))
            msg = f"The model was trained on feature {label}; this code computes {today}."
            raise DataIntegrityError(msg, hint="Train it again, or keep the old champion.", feature=label)
    demanded = feature_set("demanded", [label.partition("@")[0] for label in labels])
    if demanded.fingerprint(sport) != fingerprint:
        msg = f"The model was trained on other state rules for {sport} than this code has."
        raise DataIntegrityError(msg, hint="Train it again, or keep the old champion.", feature="state")
    return demanded


def feature_set(name: str, names: Sequence[str]) -> FeatureSet:
    """A feature set of the named features. Raises DataIntegrityError for a name the catalogue lacks."""
    unknown = [item for item in names if item not in CATALOGUE]
    if unknown:
        raise DataIntegrityError(f"Unknown feature {unknown[0]!r}.", feature=unknown[0])
    return FeatureSet(name, tuple(CATALOGUE[item] for item in names))


RESULT_FEATURES: Final = (
    "rating_gap", "price_rating_gap",
    "margin_slow", "margin_fast", "total_slow", "total_fast", "price_margin", "price_total",
    "shots_gap", "target_gap",
    "form_gap", "surprise_gap",
    "home_rest", "away_rest", "rest_gap", "home_back_to_back", "away_back_to_back", "load_gap", "road_gap",
    "season_day", "season_games", "experience", "neutral", "playoff",
)  # fmt: skip
"""What is known before a game without its prices; past games' closing prices may have made it."""

PRICE_FEATURES: Final = (
    "rating_gap", "price_rating_gap",
    "margin_slow", "margin_fast", "total_slow", "total_fast", "price_margin", "price_total",
    "shots_gap", "target_gap",
    "form_gap", "surprise_gap",
    "home_rest", "away_rest", "rest_gap", "home_back_to_back", "away_back_to_back", "load_gap", "road_gap",
    "season_day", "season_games", "experience", "neutral", "playoff",
    "market_log_odds", "market_draw", "market_margin", "market_total", "market_move",
)  # fmt: skip
"""The same, and the game's own prices. The order is part of the fingerprint of every model trained on the set."""

EVERYTHING: Final = feature_set("everything", tuple(CATALOGUE))
"""Every feature, in the catalogue's order: what rows are stored with."""

RESULTS: Final = feature_set("results", RESULT_FEATURES)
PRICES: Final = feature_set("prices", PRICE_FEATURES)
FEATURE_SETS: Final = {item.name: item for item in (RESULTS, PRICES)}

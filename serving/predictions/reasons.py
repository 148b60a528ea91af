"""The reasons of a forecast, as texts for bettors."""

from collections.abc import Set
from typing import Any, Final

from feature_store.features.catalogue import CATALOGUE
from feature_store.features.sets import PRICE_FEATURES, RESULT_FEATURES
from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion

MOST_REASONS: Final = 5
SMALLEST_EFFECT: Final = 0.02
"""An effect this small moves a probability of 1/2 by half a percentage point."""

OF_PRICES: Final[Set[str]] = frozenset(PRICE_FEATURES) - frozenset(RESULT_FEATURES)


def reasons(champion: Champion, row: OnlineRow) -> list[dict[str, Any]]:
    """Return the strongest contributions to this forecast, the strongest first.

    Missing values, and features that favour neither side by themselves, are left out; so are the game's prices where
    none may be shown.
    """
    explained = champion.bundle.forecaster.explanation(row.pick(champion.features))
    unsaid: Set[str] = OF_PRICES if row.prices is None else frozenset()
    strong = (
        item for item in explained.contributions if abs(item.effect) >= SMALLEST_EFFECT and item.feature not in unsaid
    )
    described = [(item, text) for item in strong if (text := CATALOGUE[item.feature].in_words(item.value)) is not None]
    return [
        {"text": text, "favours": "home" if item.effect > 0 else "away", "effect": round(item.effect, 4)}
        for item, text in sorted(described, key=lambda one: -abs(one[0].effect))[:MOST_REASONS]
    ]

"""Why a forecast is what it is, in words that a bettor understands."""

from typing import Any, Final

from feature_store.features.catalogue import CATALOGUE
from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion

MOST_REASONS: Final = 5
SMALLEST_EFFECT: Final = 0.02
"""A smaller one moves an even chance by less than half a percentage point."""


def reasons(champion: Champion, row: OnlineRow) -> list[dict[str, Any]]:
    """The strongest contributions to this forecast, the strongest first; what is not known, or speaks for neither
    side by itself, is no reason."""
    explained = champion.bundle.forecaster.explanation(row.pick(champion.features))
    strong = (item for item in explained.contributions if abs(item.effect) >= SMALLEST_EFFECT)
    told = [(item, text) for item in strong if (text := CATALOGUE[item.feature].in_words(item.value)) is not None]
    return [
        {"text": text, "favours": "home" if item.effect > 0 else "away", "effect": round(item.effect, 4)}
        for item, text in sorted(told, key=lambda one: -abs(one[0].effect))[:MOST_REASONS]
    ]

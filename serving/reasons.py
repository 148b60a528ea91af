"""Why a forecast is what it is, in words that a bettor understands."""

import math
from typing import Any, Final

from core.registry.forecaster import Contribution
from feature_store.features import CATALOGUE
from feature_store.online import OnlineRow
from serving.champions import Champion

MOST_REASONS: Final = 5
SMALLEST_EFFECT: Final = 0.02
"""A smaller one moves an even chance by less than half a percentage point."""


def reasons(champion: Champion, row: OnlineRow) -> list[dict[str, Any]]:
    """The strongest contributions to this forecast, the strongest first; what is not known is no reason."""
    explained = champion.bundle.forecaster.explanation(row.pick(champion.features))
    told = sorted(filter(_is_told, explained.contributions), key=lambda item: -abs(item.effect))
    return [
        {
            "text": CATALOGUE[item.feature].in_words(item.value),
            "favours": "home" if item.effect > 0 else "away",
            "effect": round(item.effect, 4),
        }
        for item in told[:MOST_REASONS]
    ]


def _is_told(item: Contribution) -> bool:
    """Whether it is strong enough, and there is something to say: "play-off" is no reason where there is none."""
    nothing_to_say = item.value == 0 and "{" not in CATALOGUE[item.feature].says
    return abs(item.effect) >= SMALLEST_EFFECT and not math.isnan(item.value) and not nothing_to_say

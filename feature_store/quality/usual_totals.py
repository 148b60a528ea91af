"""Usual scores of each sport: a season outside of them was probably read wrongly."""

from collections.abc import Mapping
from typing import Final

USUAL_TOTALS: Final[Mapping[str, tuple[float, float]]] = {
    "american_football": (20, 90),
    "basketball": (90, 300),
    "baseball": (4, 20),
    "ice_hockey": (3, 12),
    "soccer": (1, 6),
}
"""Points of both teams together in a season's average game; a sport that is not listed is not checked."""

"""Where the quality gate draws its lines: each feature's plausible range and each sport's usual scores."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Bounds(NamedTuple):
    """The least and the greatest value that can be meant, in the feature's own unit."""

    low: float
    high: float
    may_be_missing: bool = False


BOUNDS: Final[Mapping[str, Bounds]] = {
    "rating_gap": Bounds(-1_500, 1_500),
    "price_rating_gap": Bounds(-1_500, 1_500),
    "margin_slow": Bounds(-100, 100),
    "margin_fast": Bounds(-150, 150),
    "total_slow": Bounds(-20, 400),
    "total_fast": Bounds(-50, 500),
    "form_gap": Bounds(-1, 1),
    "surprise_gap": Bounds(-2, 2),
    "home_rest": Bounds(-14, 14, may_be_missing=True),
    "away_rest": Bounds(-14, 14, may_be_missing=True),
    "rest_gap": Bounds(-28, 28, may_be_missing=True),
    "season_games": Bounds(0, 250),
    "experience": Bounds(0, 100_000),
    "neutral": Bounds(0, 1),
    "playoff": Bounds(0, 1),
    "market_log_odds": Bounds(-8, 8, may_be_missing=True),
    "market_draw": Bounds(-8, 5, may_be_missing=True),
    "market_margin": Bounds(-80, 80, may_be_missing=True),
    "market_total": Bounds(0, 400, may_be_missing=True),
}
"""By feature name, for every sport; a few times what 67,066 real games of five sports showed.

Rest is negative where a team's last game was moved behind this one after it had ended.
"""

USUAL_TOTALS: Final[Mapping[str, tuple[float, float]]] = {
    "american_football": (20, 90),
    "basketball": (90, 300),
    "baseball": (4, 20),
    "ice_hockey": (3, 12),
    "soccer": (1, 6),
}
"""Points of both teams together in a season's average game; a sport that is not here is not judged."""

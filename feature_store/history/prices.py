"""Prices of games: the books as one consensus."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray
from feature_store.history.ratings import POINTS_PER_LOGIT


class Prices(NamedTuple):
    """Consensus of the books: probabilities without the overround, expected home score margin, total line, P(over).

    None where no book had quoted the market.
    """

    home: float | None
    draw: float | None
    away: float | None
    spread_line: float | None
    total_line: float | None
    over: float | None = None
    overround: float | None = None
    """Of the moneyline, .05 for 5 %."""

    @property
    def odds(self) -> tuple[float, ...] | None:
        """Decimal odds of home, draw (where it is an outcome) and away of the mean book; None without prices."""
        if self.home is None or self.away is None:
            return None
        chances = (self.home, self.away) if self.draw is None else (self.home, self.draw, self.away)
        return tuple(1 / (chance * (1 + (self.overround or 0.0))) for chance in chances)


@dataclass(frozen=True, eq=False)
class PriceColumns:
    """The same for many games at once; NaN where no book had quoted."""

    home: FloatArray
    draw: FloatArray
    away: FloatArray
    spread_line: FloatArray
    total_line: FloatArray
    over: FloatArray
    """P(over the total line)."""
    overround: FloatArray

    @property
    def odds(self) -> FloatArray:
        """Decimal odds with the overround left in, shape (games, 3); NaN for what is no outcome or has no price."""
        chances = np.column_stack((self.home, self.draw, self.away))
        return np.asarray(1 / (chances * (1 + self.overround[:, None])))

    @property
    def home_expectation(self) -> FloatArray:
        """P(home win) plus half of P(draw): what a rating's expected score means."""
        return self.home + np.nan_to_num(self.draw) / 2

    def expected_total(self, deviation: float) -> FloatArray:
        """The total line, moved to where over and under would be even; ``deviation`` is that of totals beside it.

        Near even odds a unit of log odds is ``POINTS_PER_LOGIT`` deviations. The line itself where over and under
        have no price.
        """
        moved = POINTS_PER_LOGIT * deviation * np.log(self.over / (1 - self.over))
        return self.total_line + np.nan_to_num(moved)

    def __getitem__(self, place: int) -> Prices | None:
        """The prices of one game, None if nothing was quoted."""
        values = [float(column[place]) for column in self._columns()]
        shown = [None if value != value else value for value in values]
        return None if all(value is None for value in shown) else Prices(*shown)

    def _columns(self) -> tuple[FloatArray, ...]:
        return self.home, self.draw, self.away, self.spread_line, self.total_line, self.over, self.overround

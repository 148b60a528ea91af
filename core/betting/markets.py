"""What a bet on a score distribution is worth: every market summed from the same grid.

Lines follow the bookmaker's sign: a spread of -3.5 on the home side wins when home wins by four or more.
Quarter lines stake half on each neighbouring line.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.betting.odds import FloatArray
from core.betting.scores import ScoreDistribution
from core.errors import ValidationError

Market = Literal["moneyline", "draw_no_bet", "spread", "total", "both_teams_score"]
SELECTIONS: dict[str, tuple[str, ...]] = {
    "moneyline": ("home", "draw", "away"),
    "draw_no_bet": ("home", "away"),
    "spread": ("home", "away"),
    "total": ("over", "under"),
    "both_teams_score": ("yes", "no"),
}


@dataclass(frozen=True)
class Pricing:
    """Probabilities of winning, having the stake returned, and losing, as shares of one unit staked."""

    win: float
    push: float
    lose: float

    @property
    def fair_odds(self) -> float:
        """Decimal odds at which the bet is worth nothing to either side; infinite if it cannot win."""
        return 1 + self.lose / self.win if self.win > 0 else float("inf")

    def expected_value(self, decimal_odds: float) -> float:
        """Mean profit in units for one unit staked at these odds."""
        return self.win * (decimal_odds - 1) - self.lose


def price(
    scores: ScoreDistribution, market: str, selection: str, line: float | None = None, *, ties: str = "draw"
) -> Pricing:
    """Price one selection; by ``ties``, the league's rule, level scores lose a moneyline bet or return it.

    Raises ValidationError for an unknown market or selection, a missing line, or one that is not a multiple of .25.
    """
    if selection not in SELECTIONS.get(market, ()):
        offered = ", ".join(f"{name} ({'/'.join(choices)})" for name, choices in SELECTIONS.items())
        field = "selection" if market in SELECTIONS else "market"
        msg = f"{field}: no selection {selection!r} in market {market!r}; there are {offered}."
        raise ValidationError(msg, field=field)
    if market in ("spread", "total"):
        return _lined(scores, market, selection, _checked(line))
    outcome = scores.outcome
    if market == "both_teams_score":
        yes = float(scores.grid[1:, 1:].sum())
        return _decided(yes if selection == "yes" else 1 - yes)
    if market == "moneyline" and ties == "draw":
        return _decided(getattr(outcome, selection))
    if selection == "draw":
        raise ValidationError("selection: this league offers no bet on a draw.", field="selection")
    win = getattr(outcome, selection)
    return Pricing(win, outcome.draw, max(0.0, 1 - win - outcome.draw))


def _decided(win: float) -> Pricing:
    bounded = min(max(win, 0.0), 1.0)
    return Pricing(bounded, 0.0, 1 - bounded)


def _checked(line: float | None) -> float:
    if line is None or not np.isfinite(line) or line * 4 != round(line * 4):
        msg = f"line: this market needs a line that is a multiple of 0.25, got {line}."
        raise ValidationError(msg, field="line")
    return float(line)


def _lined(scores: ScoreDistribution, market: str, selection: str, line: float) -> Pricing:
    if line * 2 != round(line * 2):
        halves = [_lined(scores, market, selection, line + step) for step in (-0.25, 0.25)]
        return Pricing(*(sum(parts) / 2 for parts in zip(*((h.win, h.push, h.lose) for h in halves), strict=True)))
    if market == "total":
        result = np.arange(len(scores.totals)) - line
        return _from_result(scores.totals, result if selection == "over" else -result)
    largest = len(scores.grid) - 1
    margin = np.arange(-largest, largest + 1)
    return _from_result(scores.margins, (margin if selection == "home" else -margin) + line)


def _from_result(masses: FloatArray, result: NDArray[Any]) -> Pricing:
    return Pricing(float(masses[result > 0].sum()), float(masses[result == 0].sum()), float(masses[result < 0].sum()))

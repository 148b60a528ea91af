"""Prices of bets on a score distribution: every market is summed from the same grid.

Lines follow the bookmaker's sign: a spread of -3.5 on the home side wins when home wins by four or more.
Quarter lines stake half on each neighbouring line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray, sum_in_order
from core.betting.scores import Outcome, ScoreDistribution
from core.errors import ValidationError

Signs = NDArray[np.int8]
"""1 where a bet wins, 0 where its stake is returned, -1 where it loses."""

OVER_UNDER: Final = ("over", "under")
SELECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "moneyline": ("home", "draw", "away"),
    "regulation": ("home", "draw", "away"),
    "draw_no_bet": ("home", "away"),
    "double_chance": ("home_or_draw", "home_or_away", "draw_or_away"),
    "spread": ("home", "away"),
    "total": OVER_UNDER,
    "home_total": OVER_UNDER,
    "away_total": OVER_UNDER,
    "both_teams_score": ("yes", "no"),
    "correct_score": ("2-1", "other", "other_home", "other_draw", "other_away"),
}
"""Markets and their selections; ``2-1`` stands for any final score, home side first."""

LINED: Final = ("spread", "total", "home_total", "away_total")
SCORE: Final = re.compile(r"(\d{1,3})-(\d{1,3})")
HIGHEST_LISTED: Final = 3
"""Without a line, a book lists the correct scores up to 3-3; any other score is *other*."""

MOST_LEGS: Final = 10


@dataclass(frozen=True)
class MarketSelection:
    """A bet without its odds: a market, a selection of it, and the line if the market has one."""

    market: str
    selection: str
    line: float | None = None


@dataclass(frozen=True)
class Pricing:
    """Probabilities of winning, having the stake returned, and losing, as shares of one unit staked."""

    win: float
    push: float
    lose: float

    @property
    def fair_odds(self) -> float:
        """Decimal odds at which the expected value is zero; infinite if the bet cannot win."""
        return 1 + self.lose / self.win if self.win > 0 else float("inf")

    def expected_value(self, decimal_odds: float) -> float:
        """Mean profit in units for one unit staked at these odds."""
        return self.win * (decimal_odds - 1) - self.lose


@dataclass(frozen=True, eq=False)
class _Ticket:
    """An equal share of a stake: its result at each value of one statistic of the score."""

    statistic: Literal["margin", "total", "home", "away", "score", "regulation_margin"]
    signs: Signs


def price(
    scores: ScoreDistribution, market: str, selection: str, line: float | None = None, *, ties: str = "draw"
) -> Pricing:
    """Price one selection; by ``ties``, the league's rule, level scores lose a moneyline bet or return it.

    ``moneyline`` is the final result: where ties are a draw the three-way 1X2. ``regulation`` is hockey's three-way
    market on sixty minutes. In ``correct_score`` the *other* selections win on every score (won by home, level,
    won by away) in which a side has more than ``line`` goals, 3 without a line.

    Raises ValidationError for an unknown market or selection, a missing line, or one that is not a multiple of .25.
    """
    tickets = _tickets(scores, MarketSelection(market, selection, line), ties)
    return _mean([_pricing(_masses(scores, ticket.statistic), ticket.signs) for ticket in tickets])


def on_winner(outcome: Outcome, selection: Literal["home", "draw", "away"], *, ties: str = "draw") -> Pricing:
    """``price`` of the moneyline, from the three probabilities alone; not for a draw in a two-way league."""
    push = outcome.draw if ties != "draw" else 0.0
    win: float = getattr(outcome, selection)
    return Pricing(win, push, outcome.home + outcome.draw + outcome.away - win - push)


def combine(scores: ScoreDistribution, legs: Sequence[MarketSelection], *, ties: str = "draw") -> Pricing:
    """Price a combination of bets on one game from the joint distribution, which holds their correlation.

    The combination wins where all legs win and loses where any leg loses. A leg that pushes is void: where some legs
    are void and no other loses, the stake counts as returned. A book pays the shorter odds of the remaining legs if
    those win, so the value is a lower bound with legs that can push, and exact without them. A quarter line halves
    the stake of the whole combination.

    Raises ValidationError as ``price`` does, and for no legs or more than ten.
    """
    if not 0 < len(legs) <= MOST_LEGS:
        raise ValidationError(f"legs: a combination has 1 to {MOST_LEGS} legs, got {len(legs)}.", field="legs")
    masses = np.stack(_by_overtime(scores))
    halves = [[_on_scores(ticket, scores) for ticket in _tickets(scores, leg, ties)] for leg in legs]
    return _mean([_pricing(masses, np.minimum.reduce(chosen)) for chosen in product(*halves)])


def _mean(parts: Sequence[Pricing]) -> Pricing:
    return Pricing(
        *(sum_in_order(shares) / len(parts) for shares in zip(*((p.win, p.push, p.lose) for p in parts), strict=True))
    )


def _pricing(masses: FloatArray, signs: Signs) -> Pricing:
    return Pricing(float(masses[signs > 0].sum()), float(masses[signs == 0].sum()), float(masses[signs < 0].sum()))


def _masses(scores: ScoreDistribution, statistic: str) -> FloatArray:
    match statistic:
        case "margin":
            return scores.margins
        case "regulation_margin":
            return scores.regulation.margins
        case "total":
            return scores.totals
        case "home":
            return scores.home_scores
        case "away":
            return scores.away_scores
        case _:
            return scores.grid


def _by_overtime(scores: ScoreDistribution) -> tuple[FloatArray, ...]:
    """The grid, or in a sport with overtime its two parts: decided in regulation, and level after it."""
    if scores.overtime_share is None:
        return (scores.grid,)
    home, away = np.indices(scores.grid.shape)
    narrow = np.abs(home - away) == 1
    level = np.where(narrow, scores.grid * scores.overtime_share, 0.0)
    return scores.grid - level, level


def _on_scores(ticket: _Ticket, scores: ScoreDistribution) -> Signs:
    """A ticket's result at each final score, for each part of ``_by_overtime``; shape (parts, size, size)."""
    home, away = np.ogrid[: len(scores.grid), : len(scores.grid)]
    parts = 1 if scores.overtime_share is None else 2
    match ticket.statistic:
        case "margin":
            signs = ticket.signs[_margin_places(scores)]
        case "regulation_margin":
            level = np.full_like(scores.grid, ticket.signs[len(scores.grid) - 1], dtype=np.int8)
            return np.stack((ticket.signs[_margin_places(scores)], level))
        case "total":
            signs = ticket.signs[home + away]
        case "home":
            signs = ticket.signs[home + 0 * away]
        case "away":
            signs = ticket.signs[away + 0 * home]
        case _:
            signs = ticket.signs
    return np.stack([signs] * parts)


def _tickets(scores: ScoreDistribution, bet: MarketSelection, ties: str) -> list[_Ticket]:
    """The bet as one ticket, or as two of half the stake on a quarter line."""
    _check_selection(bet)
    if bet.market in LINED:
        line = _checked(bet.line)
        steps = (0.0,) if line * 2 == round(line * 2) else (-0.25, 0.25)
        return [_lined(scores, bet.market, bet.selection, line + step) for step in steps]
    if bet.market == "both_teams_score":
        both = np.zeros(scores.grid.shape, dtype=np.bool_)
        both[1:, 1:] = True
        return [_Ticket("score", _win_or_lose(both if bet.selection == "yes" else ~both))]
    if bet.market == "correct_score":
        return [_Ticket("score", _win_or_lose(_named_scores(scores, bet.selection, bet.line)))]
    return [_on_outcome(scores, bet, ties)]


def _check_selection(bet: MarketSelection) -> None:
    if bet.selection in SELECTIONS.get(bet.market, ()):
        return
    if bet.market == "correct_score" and SCORE.fullmatch(bet.selection):
        return
    offered = ", ".join(f"{name} ({'/'.join(choices)})" for name, choices in SELECTIONS.items())
    field = "selection" if bet.market in SELECTIONS else "market"
    msg = f"{field}: no selection {bet.selection!r} in market {bet.market!r}; the markets are {offered}."
    raise ValidationError(msg, field=field)


def _on_outcome(scores: ScoreDistribution, bet: MarketSelection, ties: str) -> _Ticket:
    """Markets on who wins. If a draw is no outcome, level scores return the stake and cannot be bet on."""
    margins = _margins(scores)
    if bet.market == "regulation":
        scores.require_regulation()
        return _Ticket("regulation_margin", _win_or_lose(_winners(margins, bet.selection)))
    if bet.market == "draw_no_bet" or (ties != "draw" and bet.selection in ("home", "away")):
        return _Ticket("margin", _signs(margins if bet.selection == "home" else -margins))
    if ties != "draw":
        raise ValidationError("selection: this league offers no bet on a draw.", field="selection")
    return _Ticket("margin", _win_or_lose(_winners(margins, bet.selection)))


def _winners(margins: NDArray[Any], selection: str) -> NDArray[np.bool_]:
    """Where the selection wins: any of the outcomes in its name."""
    outcomes = {"home": margins > 0, "draw": margins == 0, "away": margins < 0}
    return np.asarray(np.logical_or.reduce([outcomes[name] for name in selection.split("_or_")]))


def _named_scores(scores: ScoreDistribution, selection: str, line: float | None) -> NDArray[np.bool_]:
    home, away = np.ogrid[: len(scores.grid), : len(scores.grid)]
    if (score := SCORE.fullmatch(selection)) is not None:
        return np.asarray((home == int(score[1])) & (away == int(score[2])))
    highest = HIGHEST_LISTED if line is None else line
    if not (highest >= 0 and float(highest).is_integer()):
        msg = f"line: the highest listed score is a whole number, got {line}."
        raise ValidationError(msg, field="line")
    unlisted = np.maximum(home, away) > highest
    if selection == "other":
        return np.asarray(unlisted)
    return np.asarray(unlisted & _winners(np.asarray(home - away), selection.removeprefix("other_")))


def is_quarter(line: float) -> bool:
    """Whether bets have such a line: a multiple of 0.25."""
    return bool(np.isfinite(line)) and line * 4 == round(line * 4)


def _checked(line: float | None) -> float:
    if line is None or not is_quarter(line):
        msg = f"line: this market needs a line that is a multiple of 0.25, got {line}."
        raise ValidationError(msg, field="line")
    return float(line)


def _lined(scores: ScoreDistribution, market: str, selection: str, line: float) -> _Ticket:
    if market == "spread":
        margins = _margins(scores)
        return _Ticket("margin", _signs((margins if selection == "home" else -margins) + line))
    statistic: Literal["total", "home", "away"] = (
        "total" if market == "total" else "home" if market == "home_total" else "away"
    )
    over = np.arange(len(_masses(scores, statistic))) - line
    return _Ticket(statistic, _signs(over if selection == "over" else -over))


def _margins(scores: ScoreDistribution) -> NDArray[np.int64]:
    largest = len(scores.grid) - 1
    return np.arange(-largest, largest + 1)


def _margin_places(scores: ScoreDistribution) -> NDArray[np.int64]:
    """For each score its margin's place in ``_margins``."""
    home, away = np.ogrid[: len(scores.grid), : len(scores.grid)]
    return np.asarray(home - away + len(scores.grid) - 1)


def _signs(result: NDArray[Any]) -> Signs:
    signs: Signs = np.sign(result).astype(np.int8)
    return signs


def _win_or_lose(wins: NDArray[np.bool_]) -> Signs:
    return np.where(wins, 1, -1).astype(np.int8)

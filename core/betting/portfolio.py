"""Stakes on simultaneous games: all are placed before any of the results is known."""

from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np
from scipy.optimize import LinearConstraint, minimize

from core.arrays import FloatArray
from core.betting.markets import Pricing
from core.betting.staking import kelly_fraction
from core.errors import ValidationError

MOST_SCENARIOS: Final = 20_000
"""Up to this number, all joint results are listed; of more, this number is drawn."""
MOST_BETS: Final = 100
LEFT: Final = 1e-6
"""Share of the bankroll that is never staked, so that losing everything has a finite logarithm."""
SEED: Final = 19_560_711


def simultaneous_kelly(bets: Sequence[tuple[Pricing, float]]) -> list[float]:
    """Shares of the bankroll, one per bet, that together maximise expected log growth (Kelly 1956; Thorp 1971).

    ``bets`` are pricings and decimal odds on different, independent games. The expectation runs over every joint
    result of the bets with an edge, or where those are more than 20,000 over as many drawn with a fixed seed (Whitrow
    2007). A bet without an edge gets 0: with independent games it hedges nothing.

    Raises ValidationError for more than a hundred bets with an edge.
    """
    alone = np.array([kelly_fraction(pricing, odds) for pricing, odds in bets])
    chosen = np.flatnonzero(alone)
    if len(chosen) > MOST_BETS:
        raise ValidationError(f"bets: at most {MOST_BETS} at once, got {len(chosen)} with an edge.", field="bets")
    fractions = np.zeros(len(bets))
    if len(chosen) == 1:
        fractions[chosen] = alone[chosen]
    elif len(chosen):
        returns, chances = _joint_results([bets[place] for place in chosen.tolist()])
        fractions[chosen] = _largest_growth(returns, chances, alone[chosen])
    return [float(fraction) for fraction in fractions]


def _joint_results(bets: Sequence[tuple[Pricing, float]]) -> tuple[FloatArray, FloatArray]:
    """Profit of a unit on each bet, shape (results, bets), and the chance of each joint result."""
    ends = [
        [(odds - 1, pricing.win), (-1.0, pricing.lose), *([(0.0, pricing.push)] if pricing.push > 0 else [])]
        for pricing, odds in bets
    ]
    if np.prod([float(len(end)) for end in ends]) <= MOST_SCENARIOS:
        listed = np.array(list(product(*ends)))
        return listed[:, :, 0], listed[:, :, 1].prod(axis=1)
    random = np.random.default_rng(SEED)
    drawn = []
    for end in ends:
        profits, chances = np.array(end).T
        drawn.append(random.choice(profits, MOST_SCENARIOS, p=chances / chances.sum()))
    return np.column_stack(drawn), np.full(MOST_SCENARIOS, 1 / MOST_SCENARIOS)


def _largest_growth(returns: FloatArray, chances: FloatArray, start: FloatArray) -> FloatArray:
    """The fractions of largest expected log growth, a concave function, that sum to less than 1."""
    bets = returns.shape[1]

    def shrinkage(fractions: FloatArray) -> tuple[float, FloatArray]:
        bankroll = np.maximum(1 + returns @ fractions, LEFT / 2)
        return -float(chances @ np.log(bankroll)), -np.asarray((chances / bankroll) @ returns)

    solution = minimize(
        shrinkage,
        start * min(1.0, (1 - LEFT) / start.sum()) / 2,
        jac=True,
        bounds=[(0.0, 1.0)] * bets,
        constraints=LinearConstraint(np.ones(bets), -np.inf, 1 - LEFT),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return np.asarray(np.clip(solution.x, 0.0, 1.0))

"""Stakes in units, by fractional Kelly with caps."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from core.arrays import sum_in_order
from core.betting.markets import Pricing


@dataclass(frozen=True)
class StakingRules:
    """The share of Kelly's stake, and its caps. Units are what the bankroll is counted in."""

    kelly_share: float = 0.25
    """Fractional Kelly: half the stake has three quarters of the growth and half the swings."""
    most_per_bet: float = 3.0
    """Cap of one bet [units]."""
    most_per_day: float = 10.0
    """All bets of a day together [units]."""
    drawdown_from: float = 0.1
    """Share of the highest bankroll that may be lost before stakes shrink."""
    drawdown_to: float = 0.4
    """Share lost from which the stake is zero."""


def kelly_fraction(pricing: Pricing, decimal_odds: float) -> float:
    """Share of the bankroll that maximises expected log growth (Kelly 1956); 0 without an edge.

    A push drops out of the first-order condition, which leaves f = (w b - l) / (b (w + l)) for net odds b.
    """
    net = decimal_odds - 1
    edge = pricing.win * net - pricing.lose
    return edge / (net * (pricing.win + pricing.lose)) if edge > 0 and net > 0 else 0.0


def drawdown_scale(bankroll: float, highest: float, rules: StakingRules) -> float:
    """The factor of stakes after losses: 1 up to ``drawdown_from``, then falling linearly to 0 at ``drawdown_to``.

    Control of the drawdown by a stake that falls with it (Grossman & Zhou 1993).
    """
    if bankroll <= 0:
        return 0.0
    lost = max(0.0, 1 - bankroll / highest) if highest > 0 else 0.0
    if rules.drawdown_to <= rules.drawdown_from:
        return 1.0 if lost <= rules.drawdown_from else 0.0
    return min(1.0, max(0.0, (rules.drawdown_to - lost) / (rules.drawdown_to - rules.drawdown_from)))


def stakes(
    fractions: Sequence[float], bankroll: float, *, highest: float | None = None, rules: StakingRules | None = None
) -> list[float]:
    """A day's stakes in units from the Kelly fractions of its bets.

    Each is cut at the cap per bet; if all together exceed the cap per day, they shrink in proportion. ``highest`` is
    the highest bankroll so far, the present one by default.
    """
    rules = rules or StakingRules()
    scale = rules.kelly_share * max(bankroll, 0.0) * drawdown_scale(bankroll, highest or bankroll, rules)
    each = [min(max(fraction, 0.0) * scale, rules.most_per_bet) for fraction in fractions]
    together = sum_in_order(each)
    return each if together <= rules.most_per_day else [stake * rules.most_per_day / together for stake in each]


@dataclass(frozen=True)
class Parlay:
    """The value of a combination of bets on different games, all of which must win."""

    pricing: Pricing
    """Win: all legs win. Push: some or all legs push and the others win. Lose: any leg loses."""
    decimal_odds: float
    """Return of one unit if every leg wins."""
    expected_value: float
    """Mean profit for one unit staked; a leg that pushes counts as odds of 1, as books settle it."""


def parlay(legs: Sequence[tuple[Pricing, float]]) -> Parlay:
    """Bets on different, independent games at their decimal odds; a leg may itself be a combination inside one game.

    The mean return is the product of the legs' mean returns, pushes included.
    """
    win = prod(pricing.win for pricing, _ in legs)
    not_lost = prod(pricing.win + pricing.push for pricing, _ in legs)
    returned = prod(pricing.win * odds + pricing.push for pricing, odds in legs)
    return Parlay(Pricing(win, not_lost - win, 1 - not_lost), prod(odds for _, odds in legs), returned - 1)

"""How much of a bankroll a bet deserves, in units."""

from core.betting.markets import Pricing


def kelly_fraction(pricing: Pricing, decimal_odds: float) -> float:
    """Share of the bankroll that maximises expected log growth (Kelly 1956); 0 without an edge.

    With a chance of a returned stake the push drops out of the first-order condition, which leaves
    f = (w b - l) / (b (w + l)) for net odds b.
    """
    net = decimal_odds - 1
    edge = pricing.win * net - pricing.lose
    return edge / (net * (pricing.win + pricing.lose)) if edge > 0 and net > 0 else 0.0

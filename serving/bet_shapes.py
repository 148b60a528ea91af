"""The shapes of questions about bets and of their answers."""

from datetime import datetime

from pydantic import ConfigDict

from serving.examples import PRICE
from serving.shapes import Game, ModelRef, Odds, Shape


class Chances(Shape):
    """Shares of a unit that win, come back and lose."""

    win: float
    push: float
    lose: float


class BetValue(Chances):
    """What is believed of a bet: the model's word pooled with the market's, by the weight that its past earned."""

    expected_value: float
    """The edge: mean profit for one unit staked."""
    low: float
    high: float
    """The edge's 90 % interval."""
    is_value: bool
    """Whether all of the interval is above nothing."""


class Offer(Shape):
    """The odds that were asked about, and what a unit on them is worth."""

    decimal: float
    american: int
    value: BetValue | None
    """Null where it cannot be judged; ``note`` says why."""
    stake: float
    """Units, by a quarter of Kelly's share, at most 3 a bet; 0 without a sure edge."""
    note: str | None


class Price(Shape):
    """What one bet is worth: shares of a unit that win, come back and lose, by the model's own word."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [PRICE]})

    game: Game
    market: str
    selection: str
    line: float | None
    win: float
    push: float
    lose: float
    fair_odds: Odds
    by_market: Chances | None
    """The same by the books' prices without their margin; null where none of this kind is known."""
    offer: Offer | None
    model: ModelRef
    as_of: datetime

"""The shapes of questions about bets and of their answers."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from core.betting.markets import MOST_LEGS
from serving.api.examples import PARLAY, PARLAY_QUESTION, PRICE
from serving.api.schemas import Game, GameRef, ModelRef, Odds, Shape

LARGEST_LINE: Final = 1_000
LARGEST_ODDS: Final = 1_000_000


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


class Dated(Shape):
    """Of when the data are."""

    as_of: datetime
    checked_at: datetime
    """When the feature store last brought the league up to date."""
    age_s: float
    stale: bool
    """The data were last checked more than a day ago, or cannot be checked now; then nothing is staked."""


class Price(Dated):
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


class BetOn(Shape):
    """A market, a selection of it, and the line where it has one."""

    market: Annotated[str, Field(max_length=40, examples=["moneyline"])]
    selection: Annotated[str, Field(max_length=40, examples=["home"])]
    line: Annotated[float | None, Field(ge=-LARGEST_LINE, le=LARGEST_LINE, allow_inf_nan=False)] = None


class Leg(GameRef):
    """One or several bets on one game at one price; several must all win."""

    bets: Annotated[list[BetOn], Field(min_length=1, max_length=MOST_LEGS)]
    odds: Annotated[float, Field(ge=-LARGEST_ODDS, le=LARGEST_ODDS, allow_inf_nan=False)]
    """For all of the leg's bets together; decimal below 100, American from there on."""
    format: Literal["decimal", "american"] | None = None


class ParlayQuestion(Shape):
    """Legs on different games, all of which must win."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [PARLAY_QUESTION]})

    legs: Annotated[list[Leg], Field(min_length=1, max_length=MOST_LEGS)]
    bankroll: Annotated[float, Field(ge=0, le=1_000 * LARGEST_ODDS, allow_inf_nan=False)] = 100.0
    """What stakes are a share of [units]."""


class PricedLeg(Chances, Dated):
    """One leg by its model's own word."""

    game: Game
    bets: list[BetOn]
    fair_odds: Odds
    decimal: float
    model: ModelRef


class ParlayAnswer(Chances):
    """The whole by the models' own word. A leg that comes back counts as odds of 1, so *push* may return more."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [PARLAY]})

    legs: list[PricedLeg]
    fair_odds: Odds
    offer: Offer

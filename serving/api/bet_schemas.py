"""Schemas of requests and responses about bets."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from core.betting.markets import MOST_LEGS
from serving.api.examples import MOVEMENT, PARLAY, PARLAY_QUESTION, PRICE, VALUES
from serving.api.schemas import Game, GameRef, ModelRef, Odds, Shape

LARGEST_LINE: Final = 1_000
LARGEST_ODDS: Final = 1_000_000


class Chances(Shape):
    """Probabilities that a unit wins, is returned and loses."""

    win: float
    push: float
    lose: float


class BetValue(Chances):
    """Value of a bet, by model and market pooled with the learned weight."""

    expected_value: float
    """The edge: expected profit per unit staked."""
    low: float
    high: float
    """Ends of the edge's 90 % interval."""
    is_value: bool
    """Whether the whole interval lies above zero."""


class Offer(Shape):
    """The odds in the request, with value and stake."""

    decimal: float | None
    american: int | None
    """Null, like ``value``, if American odds would exceed 9e15 either way, as those of long parlays can."""
    value: BetValue | None
    """Null if the bet cannot be valued; see ``note``."""
    stake: float
    """Units: a quarter of the Kelly fraction, at most 3 per bet; 0 if the edge's interval includes zero."""
    reason: str | None
    """Why there is no value or no stake, as a fixed name; null if there is a stake."""
    note: str | None
    """The same in words."""


class PriceAges(Shape):
    """The books' fresh prices behind an answer."""

    quoted_at: datetime | None
    """Moment of the oldest fresh price; without one, of the game's newest price; null without prices."""
    price_age_s: float | None
    """Seconds since then."""
    books: int
    """Number of books with a fresh price."""
    disagreement: float | None
    """Standard deviation between the books of the first selection's probability; null without fresh prices, and
    where the terms of a source hide one of them."""


class BookOdds(Shape):
    """One book's odds, with the moment at which they were last confirmed."""

    book: str
    decimal: float | None
    american: int | None
    quoted_at: datetime
    price_age_s: float


class Dated(Shape):
    """Age of the data."""

    as_of: datetime
    checked_at: datetime
    """When the feature store last updated the league."""
    age_s: float
    stale: bool
    """The data was last checked more than a day ago, or cannot be checked now; the stake is then 0."""


class Price(PriceAges, Dated):
    """Price of one bet: probabilities that a unit wins, is returned and loses, by the model alone."""

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
    """The same by the fresh prices, without overround, that may be shown; null without fresh prices of this kind."""
    best: BookOdds | None
    """The longest fresh odds of this bet at any book; null if none shows it."""
    offer: Offer | None
    model: ModelRef


class BetOn(Shape):
    """A market, its selection, and its line where the market has one."""

    market: Annotated[str, Field(max_length=40, examples=["moneyline"])]
    selection: Annotated[str, Field(max_length=40, examples=["home"])]
    line: Annotated[float | None, Field(ge=-LARGEST_LINE, le=LARGEST_LINE, allow_inf_nan=False)] = None


class Leg(GameRef):
    """One or several bets on one game at one price; all of them must win."""

    bets: Annotated[list[BetOn], Field(min_length=1, max_length=MOST_LEGS)]
    odds: Annotated[float, Field(ge=-LARGEST_ODDS, le=LARGEST_ODDS, allow_inf_nan=False)]
    """For all bets of the leg together; decimal below 100, American from 100 on."""
    format: Literal["decimal", "american"] | None = None


class ParlayQuestion(Shape):
    """Legs on different games, all of which must win."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [PARLAY_QUESTION]})

    legs: Annotated[list[Leg], Field(min_length=1, max_length=MOST_LEGS)]
    bankroll: Annotated[float, Field(ge=0, le=1_000 * LARGEST_ODDS, allow_inf_nan=False)] = 100.0
    """Bankroll that the stake is a share of [units]."""


class PricedLeg(Chances, PriceAges, Dated):
    """Price of one leg, by the model alone."""

    game: Game
    bets: list[BetOn]
    fair_odds: Odds
    decimal: float
    best: BookOdds | None
    """The longest fresh odds of the bet at any book; null if none shows it, and for several bets on one game."""
    model: ModelRef


class ParlayAnswer(Chances):
    """Price of the parlay, by the models alone. A leg that pushes counts as odds of 1; a push may return a profit."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [PARLAY]})

    legs: list[PricedLeg]
    fair_odds: Odds
    offer: Offer


class ListedValue(PriceAges, Dated):
    """A price that is worth a bet by the model and the prices of the other books, whose age the answer states."""

    game: Game
    market: str
    selection: str
    line: float | None
    price: BookOdds
    """The longest fresh odds of this bet."""
    value: BetValue
    stake: float
    """Units: a quarter of the Kelly fraction, at most 3 per bet."""
    model: ModelRef


class Values(Shape):
    """Prices that are worth a bet, the surest edge first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [VALUES]})

    items: list[ListedValue]
    games: int
    """Number of games to come."""
    judged: int
    """Number of them that enough books show at fresh prices."""


class PriceMoment(Shape):
    """What a book showed from a moment on; ``chance`` is the probability without overround."""

    at: datetime
    line: float | None
    decimal: float | None
    american: int | None
    chance: float


class MovementAtBook(Shape):
    """One book's price of a bet from its opening to now."""

    book: str
    opening: PriceMoment
    latest: PriceMoment
    moved: float
    """Change of the probability; a changed line counts by what it is worth in this game."""
    changes: int


class JointMove(Shape):
    """Steam: several books that moved the same way within 15 minutes."""

    since: datetime
    until: datetime
    books: list[str]
    moved: float
    """Mean change of the probability."""


class MovementOfBet(Shape):
    market: str
    selection: str
    books: list[MovementAtBook]
    steam: list[JointMove]


class Movement(Shape):
    """How the prices of one game have moved, by bet and book."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [MOVEMENT]})

    game: Game
    bets: list[MovementOfBet]
    note: str | None
    """Says where there is no history; null if any price has moved."""

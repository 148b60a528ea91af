"""Schemas of requests and responses, for the documentation and for callers' type checkers.

Responses are written as bytes without these classes; a test validates every response against its schema.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.api.examples import PREDICTION, PROBLEM
from serving.telemetry.cache_level import CacheLevel

BATCH_LIMIT = 100


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GameRef(Shape):
    """Natural key of a game."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    sport: Annotated[str, Field(max_length=32, examples=["soccer"])]
    league: Annotated[str, Field(max_length=120, examples=["EPL"])]
    game_id: Annotated[str, Field(max_length=120, examples=["1035037"])]


class Batch(Shape):
    """Games to predict in one request."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"games": [{"sport": "soccer", "league": "EPL", "game_id": "1035037"}]}]},
    )

    games: Annotated[list[GameRef], Field(min_length=1, max_length=BATCH_LIMIT)]


class Game(Shape):
    """A game and its status: *begun* once its start has passed; its forecast is frozen from then on."""

    sport: str
    league: str
    game_id: str
    home_team: str
    away_team: str
    start_at: datetime
    date_only: bool
    """The source gave a date without a time; ``start_at`` is then 16:00 UTC of that day."""
    neutral: bool
    status: Literal["scheduled", "begun", "unknown", "live", "final", "void"]


class Probabilities(Shape):
    """Sum to 1. ``draw`` is null in two-way leagues; ``push`` is then the probability of a level score."""

    home: float
    draw: float | None
    away: float
    push: float | None = None


class ChanceInterval(Shape):
    """Range of how often favourites with a similar forecast won; ``method`` describes it."""

    selection: Literal["home", "draw", "away"]
    low: float
    high: float
    method: str


class Reason(Shape):
    """A difference between this game and the average one that moves the forecast."""

    text: str
    favours: Literal["home", "away"]
    effect: float
    """Added to the logarithm of P(home) / P(away); near 1/2, .04 is one percentage point."""


class Odds(Shape):
    """Odds without overround; null where no finite odds exist, or American odds would exceed 9e15 either way."""

    decimal: float | None
    american: int | None
    note: str | None = None
    """Why both are null; left out if they are not."""


class FairOdds(Shape):
    home: Odds
    draw: Odds | None
    away: Odds


class Expected(Shape):
    """Mean scores; ``margin`` is home minus away."""

    margin: float
    total: float
    home_score: float
    away_score: float


class Market(Shape):
    """The bookmakers' latest prices without overround; ``spread_line`` is the home margin they expect.

    ``over`` is the probability that more than ``total_line`` is scored.
    """

    home: float | None
    draw: float | None
    away: float | None
    spread_line: float | None
    total_line: float | None
    over: float | None
    overround: float | None
    """The overround of the moneyline, which was removed; .05 is 5 %."""


class Model(Shape):
    """Which model answered; ``features`` is the fingerprint of its feature set."""

    name: str
    version: int
    variant: str
    features: str
    trained_until: datetime
    data_sha256: str


class BestPrice(Shape):
    """The longest fresh odds of a selection, overround included."""

    book: str
    decimal: float
    american: int
    quoted_at: datetime


class BestOdds(Shape):
    home: BestPrice | None
    draw: BestPrice | None
    away: BestPrice | None


class Prediction(Shape):
    """One game's forecast, from one joint distribution of both scores."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [PREDICTION]})

    game: Game
    probabilities: Probabilities
    interval: ChanceInterval | None
    """For the most likely outcome; null when the model was evaluated on too few games."""
    fair_odds: FairOdds
    expected: Expected
    market: Market | None
    model: Model
    data_quality: Literal["good", "thin", "unknown"]
    """*thin*: one of the teams has fewer than ten games in the archive; *unknown*: one has none."""
    reasons: list[Reason] | None
    """The strongest first, at most five; null for some seconds if the forecast was computed for this request."""
    as_of: datetime
    """When the data behind the forecast last changed."""
    checked_at: datetime
    """When the league's data was last updated."""
    age_s: float
    disagreement: float | None
    """Standard deviation between the bookmakers of P(home), by their fresh prices; null without any, and where
    the terms of a source hide one of them."""
    best: BestOdds | None
    """The longest fresh odds of each selection; null without fresh prices."""
    quoted_at: datetime | None
    """Moment of the oldest fresh price of a bookmaker; without one, of the newest price; null without prices."""
    books: int
    """Number of bookmakers with a fresh price."""
    price_age_s: float | None
    """Seconds since ``quoted_at``."""
    stale: bool
    """The data was last checked more than a day ago, or a newer answer is due (``cache`` is then *stale*)."""
    cache: CacheLevel


class Problem(BaseModel):
    """An error and its remedy (RFC 9457), with a stable ``code``."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [PROBLEM]})

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    hint: str | None = None
    field: str | None = None
    nearest: list[str] | None = None
    error: str | None = None
    """Under `/v2` the detail again, where clients of that protocol expect it."""


class BatchItem(Shape):
    """One game of a batch, in the order of the request: a prediction or a problem."""

    prediction: Prediction | None = None
    problem: Problem | None = None


class BatchAnswer(Shape):
    items: list[BatchItem]


class Ranked(Shape):
    """A prediction and the probability of its most likely outcome."""

    confidence: float
    prediction: Prediction


class Ranking(Shape):
    """Predictions, the most confident first."""

    items: list[Ranked]


class Games(Shape):
    games: list[Game]


class ModelRef(Shape):
    name: str
    version: int


class ModelVersion(Shape):
    version: int
    sport: str
    league: str
    variant: str
    role: Literal["champion", "challenger", "previous"] | None
    features: str
    bundle_sha256: str
    trained_until: datetime
    registered_at: datetime
    scores: dict[str, Any]


class ModelError(Shape):
    """Why the champion of the deployment record is not loaded."""

    version: int
    code: str
    reason: str
    since: datetime
    attempts: int


class ModelState(Shape):
    """A model's deployment record, and what this process has loaded."""

    model: str
    generation: int
    champion: int | None
    challenger: int | None
    previous: int | None
    loaded_version: int | None
    loaded_generation: int | None
    error: ModelError | None
    versions: list[ModelVersion]


class Models(Shape):
    models: list[ModelState]


class Health(Shape):
    status: Literal["alive"] = "alive"


class Readiness(Shape):
    """Whether the service can answer, causes if not, and the generation of each loaded model."""

    ready: bool
    causes: list[str]
    models: dict[str, dict[str, Any]]
    slate: dict[str, Any]
    redis: str | None
    """State of the circuit breaker for Redis: closed, half_open, open; null without Redis."""
    workers: dict[str, dict[str, dict[str, int]]]
    """Version and generation of each model, by worker, on all machines; `/v1/system/health` names them."""
    agreed: bool
    """Whether all workers answer with the same generations."""


class HealthPart(Shape):
    name: str
    status: Literal["ok", "degraded", "down"]
    cause: str | None
    age_s: float | None


class SystemHealth(Shape):
    """Health by component; the worst status is the service's."""

    status: Literal["ok", "degraded", "down"]
    causes: list[str]
    parts: list[HealthPart]
    workers: dict[str, dict[str, dict[str, int]]]
    """Version and generation of each model, by worker (machine, process), on all machines."""

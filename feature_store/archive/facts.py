"""Facts as the archive holds them: games, results, quotes, and items that were rejected.

Every fact has two clocks: when it happened (a start, a finish, a quote's moment) and ``known_at``, the
first moment at which a user of this archive could have known it. The types keep the future out: a
``GameFact`` carries no score and a ``Result`` no price, so a feature that is given a game cannot see how it ended.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, TypeVar

import orjson

Status = Literal["scheduled", "live", "final", "void", "unknown"]
Moment = Literal["open", "close", "last"]
RejectedFact = Literal["row", "game", "result", "quote"]
"""Which fact a rejected item would have been; ``row`` where that is not certain."""


class GameFact(NamedTuple):
    """Who meets whom, when and where, as known at ``known_at``. ``season`` is the year in which it began."""

    game_id: str
    known_at: datetime
    season: int
    start_at: datetime
    date_only: bool
    """The source gave a date without a time; ``start_at`` is then the date at 16:00 UTC."""
    home_team: str
    away_team: str
    neutral: bool
    playoff: bool
    status: Status


class Result(NamedTuple):
    """The final score, overtime included. Scores of None take an earlier result back."""

    game_id: str
    known_at: datetime
    finished_at: datetime
    home_score: int | None
    away_score: int | None
    home_score_regulation: int | None = None
    away_score_regulation: int | None = None
    home_shots: int | None = None
    away_shots: int | None = None
    home_shots_on_target: int | None = None
    away_shots_on_target: int | None = None


class Quote(NamedTuple):
    """What one book showed for one game at one moment: decimal odds and lines, None where it showed none.

    ``spread_line`` is the expected HOME score margin (positive: home favoured), ``total_line`` the expected sum.
    """

    game_id: str
    book: str
    moment: Moment
    known_at: datetime
    quoted_at: datetime
    odds_home: float | None = None
    odds_draw: float | None = None
    odds_away: float | None = None
    spread_line: float | None = None
    total_line: float | None = None
    odds_over: float | None = None
    odds_under: float | None = None
    odds_home_spread: float | None = None
    """The home side beats the spread: its score margin exceeds ``spread_line``."""
    odds_away_spread: float | None = None
    odds_both_score: float | None = None
    """Both teams score."""
    odds_not_both_score: float | None = None


class Rejected(NamedTuple):
    """An item of a source that is not recorded: where it stood, which fact it would have been, and the reason."""

    source: str
    place: str
    fact: RejectedFact
    reason: str
    content: str


@dataclass
class FactBatch:
    """Facts of one league as they came from one source, and what was rejected on the way."""

    games: list[GameFact] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def known_by(self, moment: datetime) -> "FactBatch":
        """Only what was known at the moment or before."""
        return FactBatch(
            games=_known_by(self.games, moment),
            results=_known_by(self.results, moment),
            quotes=_known_by(self.quotes, moment),
        )

    @property
    def known_until(self) -> datetime:
        """When the newest of the facts became known. Raises ValueError where there are none."""
        return max(fact.known_at for facts in (self.games, self.results, self.quotes) for fact in facts)

    def sha256(self) -> str:
        """Identity of the facts' content: the same on every database, on any day and in any order of arrival.

        MLflow's own dataset digest reads 10,000 rows and no dates, so it is the same for different training data.
        """
        digest = sha256()
        for facts in (self.games, self.results, self.quotes):
            for content in sorted(orjson.dumps(content_of(fact)) for fact in facts):
                digest.update(content + b"\n")
        return digest.hexdigest()


FIRST_LATER_PRICE: Final = Quote._fields.index("odds_home_spread")
"""The prices from here on are younger than the archive."""


def content_of(fact: GameFact | Result | Quote) -> tuple[Any, ...]:
    """The fact as it enters a SHA-256: without prices that were added to quotes later, unless one of them was shown.

    So the same facts have the SHA-256 that they always had.
    """
    if isinstance(fact, Quote) and fact[FIRST_LATER_PRICE:].count(None) == len(fact) - FIRST_LATER_PRICE:
        return fact[:FIRST_LATER_PRICE]
    return tuple(fact)


F = TypeVar("F", GameFact, Result, Quote)


def _known_by(facts: Iterable[F], moment: datetime) -> list[F]:
    return [fact for fact in facts if fact.known_at <= moment]

"""Facts from what a service shows of one game: the rules that feeds share.

A wrong value costs only the fact that it belongs to, and is rejected by name.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

from core.betting.leagues import League
from core.betting.score_bounds import fault_of_score
from core.errors import ExternalServiceError
from feature_store.archive.checks.identities import LONGEST
from feature_store.archive.checks.quotes import check_quote
from feature_store.archive.facts import FactBatch, GameFact, Quote, Rejected, RejectedFact, Result, Status
from feature_store.identity.team_aliases import Aliases
from feature_store.sources.seasons import UNSTATED

LONGEST_CONTENT: Final = 1_000
PRICES: Final = Quote._fields[Quote._fields.index("odds_home") :]

AHEAD: Final = timedelta(minutes=10)
"""A price dated so far after the look is a fault of the service's clock or ours."""


class TableLayout(NamedTuple):
    """How a CSV file of a service is read."""

    mapping: str
    """Name of a ready mapping."""
    season: int
    """The season that is played now; games that state an earlier one are left out."""
    one_season: bool = False
    """Whether all games of the file belong to it."""
    to_come: bool = False
    """Whether the file lists games to come, so that it may have no columns of scores."""


TableReader = Callable[[bytes, TableLayout, League, Aliases, datetime, datetime], FactBatch]
"""Facts that a CSV file shows of a league: content, layout, league, aliases, moment of the look, moment of its prices.

Raises ValidationError for a file that cannot be read. Injected, because the reader of CSV files is another source's.
"""


@dataclass(frozen=True)
class EventReading:
    """What every reader of a feed shares."""

    feed: str
    aliases: Aliases
    read_table: TableReader


class EventReader:
    """Gathers the facts of one service's events of one league. An event that is shown twice is one game."""

    def __init__(self, shared: EventReading, league: League, now: datetime) -> None:
        self.league = league
        self.now = now
        self._feed = shared.feed
        self._aliases = shared.aliases
        self._read_table = shared.read_table
        self._games: dict[str, GameFact] = {}
        self._left_out: set[str] = set()
        self._quotes: dict[tuple[str, str], Quote] = {}
        self._facts = FactBatch()

    def batch(self) -> FactBatch:
        """Return the facts gathered so far."""
        quotes = [*self._facts.quotes, *self._quotes.values()]
        return FactBatch(list(self._games.values()), self._facts.results, quotes, self._facts.rejected)

    def add_game(
        self,
        event_id: str,
        start_at: datetime | None,
        home: str,
        away: str,
        status: Status,
        event: object,
        *,
        season: int = UNSTATED,
        playoff: bool = False,
    ) -> GameFact | None:
        """Add the game, or update its status; None if it is rejected."""
        home, away = self._aliases.team(self.league, home), self._aliases.team(self.league, away)
        if start_at is None or not event_id or not home or not away or home.casefold() == away.casefold():
            self.reject("game", event_id, "id, start or a team is missing, or both teams are one", event)
            return None
        game = GameFact(
            game_id=self._id(event_id),
            known_at=self.now,
            season=season,
            start_at=start_at,
            date_only=False,
            home_team=home,
            away_team=away,
            neutral=False,
            playoff=playoff,
            status=status,
        )
        self._games[game.game_id] = game
        return game

    def game(self, event_id: str) -> GameFact | None:
        """The game that was added under the service's id, None if there is none."""
        return self._games.get(self._id(event_id))

    def leave_out(self, event_id: str) -> None:
        """Note a game that does not count, such as an exhibition: neither it nor its prices are recorded."""
        self._left_out.add(event_id)

    def is_left_out(self, event_id: str) -> bool:
        """Whether the game was left out."""
        return event_id in self._left_out

    def add_table(self, content: bytes, layout: TableLayout, shown_at: datetime | None) -> None:
        """Add the facts of a CSV file, its prices as of ``shown_at``. Raises ValidationError if it cannot be read."""
        read = self._read_table(content, layout, self.league, self._aliases, self.now, shown_at or self.now)
        self._games |= {game.game_id: game for game in read.games}
        self._facts.results += read.results
        self._facts.quotes += read.quotes
        self._facts.rejected += [item._replace(source=f"feed:{self._feed}") for item in read.rejected]

    def add_result(
        self,
        game: GameFact,
        home_score: object,
        away_score: object,
        event: object,
        *,
        regulation: tuple[int, int] | tuple[None, None] = (None, None),
    ) -> None:
        """Add the final score, and that at the end of regulation time where it is known."""
        home, away = _score(home_score), _score(away_score)
        if home is None or away is None:
            self.reject("result", game.game_id, "final, but without two whole scores from 0 up", event)
        elif game.start_at > self.now:
            self.reject("result", game.game_id, "final, but starts in the future", event)
        elif self.league.ties == "impossible" and home == away:
            self.reject("result", game.game_id, f"final {home}-{away}, but {self.league.key} has no ties", event)
        elif fault := fault_of_score(self.league, home, away):
            self.reject("result", game.game_id, f"final {fault}", event)
        else:
            ended = min(game.start_at + self.league.duration, self.now)
            self._facts.results.append(Result(game.game_id, self.now, ended, home, away, *regulation))

    def add_quote(self, game: GameFact, book: str, quoted_at: datetime, prices: Mapping[str, float]) -> None:
        """Add a book's decimal odds and lines, by field of ``Quote``; implausible markets are rejected."""
        if quoted_at > self.now + AHEAD:
            self.reject("quote", game.game_id, f"{book}: quoted at {quoted_at.isoformat()}, after the look", prices)
            return
        quote = Quote(
            game.game_id, book[: LONGEST["book"]].strip(), "last", self.now, min(quoted_at, self.now), **prices
        )
        kept, reasons = check_quote(quote, self.league)
        for reason in reasons:
            self.reject("quote", game.game_id, f"{book}: {reason}", prices)
        if kept is not None:
            self._add_checked(kept)

    def _add_checked(self, quote: Quote) -> None:
        """Add the quote; that of a book which the event lists again only where it contradicts no price of the first."""
        key = quote.game_id, quote.book
        held = self._quotes.get(key, quote)
        pairs = [(getattr(held, name), getattr(quote, name)) for name in PRICES]
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            self.reject("quote", quote.game_id, f"{quote.book}: listed twice, at different prices", quote._asdict())
            return
        prices: Any = dict(
            zip(PRICES, (first if first is not None else second for first, second in pairs), strict=True)
        )
        self._quotes[key] = held._replace(quoted_at=min(held.quoted_at, quote.quoted_at), **prices)

    def reject(self, fact: RejectedFact, place: str, reason: str, content: object) -> None:
        """Note an item that is not recorded."""
        self._facts.rejected.append(reject(self._feed, fact, place, reason, content))

    def _id(self, event_id: str) -> str:
        return f"{self._feed}:{event_id}"


def reject(feed: str, fact: RejectedFact, place: str, reason: str, content: object) -> Rejected:
    """The quarantine entry of an item of a feed."""
    text = content if isinstance(content, str) else orjson.dumps(content, default=str).decode()
    return Rejected(f"feed:{feed}", place, fact, reason, text[:LONGEST_CONTENT])


def list_of(document: object, what: str) -> list[Any]:
    """The list that the answer is. Raises ExternalServiceError for another form."""
    if not isinstance(document, list):
        msg = f"{what}: expected a list, got {type(document).__name__}; the service may have changed."
        raise ExternalServiceError(msg)
    return document


def moment(value: object) -> datetime | None:
    """An ISO 8601 moment with a zone, in UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def number(value: object) -> float | None:
    """A finite number, also from text; None for anything else."""
    try:
        parsed = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return parsed if math.isfinite(parsed) else None


def text(value: object) -> str:
    """Text without surrounding blanks; empty for anything else. Half a surrogate pair, which JSON can hold, is cut."""
    return value.strip().encode("utf-8", "ignore").decode() if isinstance(value, str) else ""


def _score(value: object) -> int | None:
    points = number(value)
    return int(points) if points is not None and points >= 0 and points.is_integer() else None

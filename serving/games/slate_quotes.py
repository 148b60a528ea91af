"""What bookmakers show for the games in memory, and how old it is at the moment of an answer."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson
from sqlalchemy.engine import Engine

from core.betting.books.best_price import best_price
from core.betting.books.consensus import consensus
from core.betting.books.quotes import NEAR_START, BookQuote, FreshnessRule, count_fresh, newest_first, sides_of
from core.betting.leagues import Leagues
from core.betting.markets import MarketSelection
from core.betting.odds import can_be_stated, decimal_to_american
from feature_store.rows.online import OnlineRow
from feature_store.rows.published_quotes import LeagueQuotes, load_quotes, quote_watermarks, quotes_by_game

LeagueGame = tuple[str, str]
"""League and game id."""


@dataclass(frozen=True)
class PriceAge:
    """How many books show a fresh price for a game, and from which moment their prices are, until ``valid_until``."""

    books: int
    quoted_at: datetime | None
    """Moment of the oldest fresh price; without one, of the newest price at all; None without prices."""
    valid_until: datetime | None
    """The last moment at which all this holds; None if it holds from now on."""
    opening: bytes = field(repr=False)
    """The same as JSON members, up to the age, which is the only part that changes from answer to answer."""
    tag: str
    """Hash of the same, for ETags; empty without prices."""

    def as_json(self, now: datetime) -> bytes:
        """Return the members of an answer, each after a comma."""
        if self.quoted_at is None:
            return self.opening
        return b"%b%.3f" % (self.opening, self.seconds(now))

    def seconds(self, now: datetime) -> float:
        """Return the age; requires a price."""
        assert self.quoted_at is not None  # noqa: S101 - required
        return max(0.0, (now - self.quoted_at).total_seconds())


NOTHING_QUOTED: Final = b',"disagreement":null,"best":null,"quoted_at":null,"books":0,"price_age_s":null'
WITHOUT_PRICES: Final = PriceAge(0, None, None, NOTHING_QUOTED, "")


class GameQuotes:
    """One game's quotes, the youngest first."""

    def __init__(self, quotes: Iterable[BookQuote], start_at: datetime, rule: FreshnessRule, *, outcomes: int) -> None:
        self.quotes: Sequence[BookQuote] = newest_first(quotes)
        self.start_at = start_at
        self.rule = rule
        self.outcomes = outcomes
        """Of the league's moneyline."""
        self._age = WITHOUT_PRICES

    def fresh(self, now: datetime) -> Sequence[BookQuote]:
        """Return the quotes that are young enough to judge a price by."""
        return self.quotes[: count_fresh(self.quotes, now, self.start_at, self.rule)]

    def age(self, now: datetime) -> PriceAge:
        """Return the age of the prices; the same object until the number of fresh books changes."""
        if self._age is WITHOUT_PRICES or (self._age.valid_until is not None and now > self._age.valid_until):
            self._age = self._measure(now)
        return self._age

    def _measure(self, now: datetime) -> PriceAge:
        if not self.quotes:
            return WITHOUT_PRICES
        fresh = self.fresh(now)
        quoted_at = fresh[-1].quoted_at if fresh else self.quotes[0].quoted_at
        limit = self.rule.limit(self.start_at - now)
        ends = [fresh[-1].quoted_at + limit] if fresh else []
        if fresh and self.start_at - now > NEAR_START:
            ends.append(self.start_at - NEAR_START)
        members = {**_moneyline_document(fresh, self.outcomes), "quoted_at": quoted_at, "books": len(fresh)}
        opening = b',%b,"price_age_s":' % orjson.dumps(members, option=orjson.OPT_UTC_Z)[1:-1]
        return PriceAge(len(fresh), quoted_at, min(ends, default=None), opening, sha256(opening).hexdigest()[:8])


class SlateQuotes:
    """The quotes of every game in memory; those of a league are replaced when new ones are published."""

    def __init__(self, leagues: Leagues, rule: FreshnessRule) -> None:
        self._leagues = leagues
        self.rule = rule
        self._published_at: dict[str, datetime] = {}
        self._by_game: dict[LeagueGame, Sequence[BookQuote]] = {}
        self._of_rows: dict[LeagueGame, GameQuotes] = {}
        """Made when a game is first asked for; emptied when anything changes."""

    def of(self, row: OnlineRow) -> GameQuotes:
        """Return the quotes of a row's game."""
        key = row.league, row.game.game_id
        game = self._of_rows.get(key)
        if game is None or game.start_at != row.game.start_at:
            outcomes = self._leagues.at(row.sport, row.league).outcomes
            quotes = self._by_game.get(key, ())
            game = self._of_rows[key] = GameQuotes(quotes, row.game.start_at, self.rule, outcomes=outcomes)
        return game

    def refresh(self, engine: Engine) -> Set[str]:
        """Read the leagues whose quotes were published since the last call; return them. Raises DatabaseError."""
        watermarks = quote_watermarks(engine)
        changed = {league for league, moment in watermarks.items() if self._published_at.get(league) != moment}
        if changed:
            self._replace(load_quotes(engine, sorted(changed)))
        return changed

    def _replace(self, changed: Mapping[str, LeagueQuotes]) -> None:
        kept = {key: quotes for key, quotes in self._by_game.items() if key[0] not in changed}
        for league, published in changed.items():
            kept |= {(league, game_id): quotes for game_id, quotes in quotes_by_game(published.body).items()}
        self._published_at |= {league: published.as_of for league, published in changed.items()}
        self._by_game, self._of_rows = kept, {}


def _moneyline_document(fresh: Sequence[BookQuote], outcomes: int) -> dict[str, Any]:
    """Return how far the books differ on who wins, and each selection's longest odds with their book; None without."""
    agreement = consensus(fresh, outcomes=outcomes).agreement.get("outcome")
    if agreement is None:
        return {"disagreement": None, "best": None}
    best = {side: _best_odds(fresh, side, outcomes) for side in sides_of(outcomes)}
    # Of two books it would tell the price of the one whose terms forbid that.
    disagreement = round(agreement.disagreement, 4) if all(quote.displayed for quote in fresh) else None
    return {"disagreement": disagreement, "best": {"draw": None, **best}}


def _best_odds(fresh: Sequence[BookQuote], side: str, outcomes: int) -> dict[str, Any] | None:
    best = best_price(fresh, MarketSelection("moneyline", side), outcomes=outcomes)
    if best is None or not can_be_stated(best.decimal):
        return None
    american = round(decimal_to_american(best.decimal))
    return {"book": best.book, "decimal": round(best.decimal, 4), "american": american, "quoted_at": best.quoted_at}

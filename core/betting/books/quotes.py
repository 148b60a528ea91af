"""One book's quotes of a game, and which are fresh enough to judge a price by."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

NEAR_START: Final = timedelta(hours=1)
"""In the last hour before the start prices move with the line-ups, so that an older one counts for less."""

REGION: Final = re.compile(r"_[a-z]{2}$")
"""The region at the end of a brand's key."""
OTHER_NAMES: Final[Mapping[str, str]] = {"sport888": "888sport", "onexbet": "1xbet"}
"""Keys of The Odds API whose letters are in another order than in the book's own name."""


class BookQuote(NamedTuple):
    """What one book shows for a game: decimal odds and lines, None where it shows none."""

    book: str
    quoted_at: datetime
    """When the price was last confirmed, by the clock of the source that showed it."""
    displayed: bool = True
    """Whether the terms of its source allow to show it; where not, it only counts in the consensus."""
    odds_home: float | None = None
    odds_draw: float | None = None
    odds_away: float | None = None
    spread_line: float | None = None
    """Expected home score margin [points]."""
    total_line: float | None = None
    odds_over: float | None = None
    odds_under: float | None = None
    odds_home_spread: float | None = None
    odds_away_spread: float | None = None
    odds_both_score: float | None = None
    odds_not_both_score: float | None = None


def sides_of(outcomes: int) -> tuple[str, ...]:
    """The selections of a moneyline of so many outcomes."""
    return ("home", "away") if outcomes == 2 else ("home", "draw", "away")


def moneyline(quote: BookQuote, outcomes: int) -> tuple[float | None, ...]:
    """The odds of the outcomes, in the order of ``sides_of``."""
    if outcomes == 2:
        return quote.odds_home, quote.odds_away
    return quote.odds_home, quote.odds_draw, quote.odds_away


def book_key(name: str) -> str:
    """What a book's names have in common, so that one book that two sources spell differently counts once.

    Sources differ in case, blanks and marks (``William Hill``, ``williamhill``); some list a brand once for each region
    (``unibet_eu``, ``unibet_uk``), whose prices come from one desk.
    """
    plain = "".join(filter(str.isalnum, REGION.sub("", name.strip()).casefold()))
    return OTHER_NAMES.get(plain, plain) or name


@dataclass(frozen=True)
class FreshnessRule:
    """How old a quote may be to count, and how many books must show a market."""

    longest: timedelta = timedelta(minutes=60)
    """Oldest quote that counts, until an hour before the start."""
    longest_near_start: timedelta = timedelta(minutes=10)
    """Oldest quote that counts in the last hour."""
    least_books: int = 2
    """Books that must show a market for its consensus to judge a price."""

    def limit(self, until_start: timedelta) -> timedelta:
        """The age limit by the time that is left before the start."""
        if until_start > NEAR_START:
            return self.longest
        return min(self.longest, self.longest_near_start)


def newest_first(quotes: Iterable[BookQuote]) -> list[BookQuote]:
    """The quotes by age, the youngest first; equally old ones by book."""
    return sorted(quotes, key=lambda quote: (-quote.quoted_at.timestamp(), quote.book))


def count_fresh(quotes: Sequence[BookQuote], now: datetime, start_at: datetime, rule: FreshnessRule) -> int:
    """How many quotes are young enough, of quotes in the order of ``newest_first``."""
    oldest = now - rule.limit(start_at - now)
    return len([quote for quote in quotes if quote.quoted_at >= oldest])

"""One book's quotes of a game, and which are fresh enough to judge a price by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

NEAR_START: Final = timedelta(hours=1)
"""In the last hour before the start prices move with the line-ups, so that an older one counts for less."""


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

"""Records what a feed shows: facts into the archive, and what could not be read into quarantine."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.database.transactions import turn
from feature_store.archive import store as archive
from feature_store.archive.queries import latest_games
from feature_store.archive.sources.freshness import newest_facts
from feature_store.archive.sources.terms import set_terms
from feature_store.archive.store import Recorded
from feature_store.sources.feeds.feed import Feed
from feature_store.sources.seasons import complete_seasons

MOST_REASONS: Final = 3


@dataclass(frozen=True)
class CollectionReport:
    """What one look at a feed brought."""

    recorded: dict[str, Recorded]
    """What it added to the archive, by league key."""
    facts: int
    rejected: int
    calls: int
    unchanged: int
    """Answers that the service declared unchanged."""
    reasons: tuple[str, ...] = ()
    """The first reasons for which something could not be asked or read."""
    confirmed: tuple[str, ...] = ()
    """Leagues of which it showed prices and nothing new: the prices are as fresh as the look."""


def collect_feed(engine: Engine, leagues: Leagues, feed: Feed, now: datetime) -> CollectionReport:
    """Look at the feed and record what it shows.

    Safe to repeat, to kill and to run twice at once: what the archive holds adds nothing. Looks at one feed take turns,
    and one that waited is dated no earlier than what the other wrote. Raises RateLimitError if nothing may be asked
    now, ClockError if now is far ahead of the database's clock, DatabaseError when the database cannot be used.
    """
    source = f"feed:{feed.name}"
    with turn(engine, f"feed {feed.name}"):
        looked_at = max([now, *(at for key, at in newest_facts(engine).items() if key.name == source)])
        set_terms(engine, source, feed.terms, looked_at)
        look = feed.look(looked_at)
        recorded = {}
        for key, batch in sorted(look.batches.items()):
            league = leagues.get(key)
            batch.games, _ = complete_seasons(league, batch.games, latest_games(engine, league))
            recorded[key] = archive.record(engine, league, batch, source=source, recorded_at=looked_at, live=True)
        archive.quarantine(engine, look.rejected, looked_at)
    confirmed = sorted(key for key, batch in look.batches.items() if batch.quotes and not recorded[key].added)
    rejected = [*look.rejected, *(item for batch in look.batches.values() for item in batch.rejected)]
    return CollectionReport(
        recorded,
        look.facts,
        len(look.rejected) + sum(added.rejected for added in recorded.values()),
        look.calls,
        look.unchanged,
        tuple(item.reason for item in rejected[:MOST_REASONS]),
        tuple(confirmed),
    )

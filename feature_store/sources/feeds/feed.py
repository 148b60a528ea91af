"""What every feed offers: a look at its service, which returns the facts that it shows now."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from feature_store.archive.facts import FactBatch, Rejected
from feature_store.archive.sources.terms import SourceTerms


@dataclass
class FeedLook:
    """What one look brought; every fact is known from the look on."""

    batches: dict[str, FactBatch] = field(default_factory=lambda: defaultdict(FactBatch))
    """Facts by league key."""
    rejected: list[Rejected] = field(default_factory=list)
    """What cannot be recorded and belongs to no league for certain; an answer that could not be read is one item."""
    calls: int = 0
    """Requests that count against the service's limits."""
    unchanged: int = 0
    """Answers that the service declared unchanged; their facts are in ``batches`` again."""

    @property
    def facts(self) -> int:
        return sum(len(batch.games) + len(batch.results) + len(batch.quotes) for batch in self.batches.values())


class Feed(Protocol):
    """One service that is asked for games, results or prices."""

    @property
    def name(self) -> str:
        """Name of the source in the archive."""
        ...

    @property
    def terms(self) -> SourceTerms: ...

    @property
    def leagues(self) -> Mapping[str, str]:
        """The service's own name of each league that is asked for, by our key."""
        ...

    def look(self, now: datetime) -> FeedLook:
        """Return the facts that the service shows now.

        An answer that is late, broken or of an unknown form costs its own facts alone and is named in ``rejected``.
        Raises RateLimitError before the first call where the budget or the service's own limit is used up.
        """
        ...

"""How old the newest fact of every source is, as last read from the database."""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Engine

from feature_store.archive.source_freshness import Source, newest_facts

LOOK_EVERY: Final = 60.0
"""Seconds between two readings of the database; in between an age only grows."""


class SourceAges:
    """Read by the slate's follower now and then; asked for at every scrape, from memory."""

    def __init__(self) -> None:
        self._newest: Mapping[Source, datetime] = {}
        self._looked_at: float | None = None

    def follow(self, engine: Engine) -> None:
        """Read the newest facts anew when the last reading is a minute old. Raises DatabaseError."""
        if self._looked_at is None or time.monotonic() - self._looked_at >= LOOK_EVERY:
            self._newest = newest_facts(engine)
            self._looked_at = time.monotonic()

    def ages(self, now: datetime) -> Iterator[tuple[Source, float]]:
        """Seconds since each source last said something new."""
        for source, moment in self._newest.items():
            yield source, (now - moment).total_seconds()

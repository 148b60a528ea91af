"""The age of the newest fact of every source, as last read from the database."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Engine

from feature_store.archive.sources.freshness import Source, newest_facts

INTERVAL_SECONDS: Final = 60.0
"""Seconds between two queries; in between, ages grow with the clock."""


class SourceAges:
    """The newest facts, refreshed by the slate's follower and read from memory at every scrape."""

    def __init__(self) -> None:
        self._newest: Mapping[Source, datetime] = {}
        self._read_at: float | None = None

    def refresh(self, engine: Engine) -> None:
        """Read the newest facts again if the last query was a minute ago. Raises DatabaseError."""
        if self._read_at is None or time.monotonic() - self._read_at >= INTERVAL_SECONDS:
            self._newest = newest_facts(engine)
            self._read_at = time.monotonic()

    def ages(self, now: datetime) -> Mapping[tuple[str, str], float]:
        """Return the seconds since the newest fact by league and kind of source.

        The kind is what a source's name has before the first colon: back-filled files (``csv:FILE``) are one kind,
        however many there are.
        """
        newest: dict[tuple[str, str], datetime] = {}
        for source, moment in self._newest.items():
            kind = source.league, source.name.partition(":")[0]
            newest[kind] = max(moment, newest.get(kind, moment))
        return {kind: (now - moment).total_seconds() for kind, moment in newest.items()}

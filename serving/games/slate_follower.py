"""Keeps the games in memory in step with the feature store, and without it with the newest copy available."""

import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import Engine

from core.errors import DatabaseError
from core.logs import get_logger
from feature_store.rows.online import watermarks
from serving.backends.last_known_good import LastKnownGood
from serving.backends.state_dir import StateDir
from serving.games.published_slate import LeagueSlate, PublishedSlateReader, document_name
from serving.games.slate import Slate
from serving.games.slate_quotes import SlateQuotes
from serving.games.source_age import SourceAges
from serving.games.staleness import StalenessPolicy

log = get_logger(__name__)


class SlateFollower:
    """Reads the leagues whose watermark has changed in the feature store, and saves them on disk.

    Each step first confirms which database this is, so that nothing is saved among the files of another one.

    While the database is unavailable, games do not change unless Redis has newer ones (``published``). A service that
    starts then reads the games from Redis or from disk. Quotes are kept nowhere else: without the database no new ones
    can arrive, and the old ones are soon too old to be used.
    """

    def __init__(
        self,
        engine: Engine,
        slate: Slate,
        quotes: SlateQuotes,
        staleness: StalenessPolicy,
        last_good: LastKnownGood,
        published: PublishedSlateReader | None,
        state_dir: StateDir,
    ) -> None:
        self._engine = engine
        self._slate = slate
        self._quotes = quotes
        self._staleness = staleness
        self._last_good = last_good
        self._published = published
        self._state_dir = state_dir
        self._unsaved: set[str] = set()
        """Leagues whose newest games are not on disk yet."""
        self._saved_in: Path | None = None
        """Folder of the leagues on disk."""
        self.source_ages = SourceAges()
        self.database_error: DatabaseError | None = None
        """Why the last query failed; None if it succeeded."""
        self.last_success: float | None = None
        """When a query last succeeded, on the monotonic clock."""

    def step(self) -> bool:
        """Compare with the feature store once. Always False: the next step waits for its interval."""
        self._refresh()
        return False

    def close(self) -> None:
        """Close the connection to Redis."""
        if self._published is not None:
            self._published.close()

    def age(self) -> float:
        """Return the seconds since a query last succeeded; infinite if none has."""
        return float("inf") if self.last_success is None else time.monotonic() - self.last_success

    def _refresh(self) -> None:
        try:
            self._state_dir.confirm(self._engine)
            self._unsaved |= self._slate.refresh(self._engine, watermarks(self._engine))
            self._quotes.refresh(self._engine)
        except DatabaseError as error:
            if self.database_error is None:
                log.warning("database unavailable; games are served from memory", reason=error.message)
            self.database_error = error
            self._staleness.database_unavailable = True
            self._fall_back()
            return
        if self.database_error is not None:
            log.info("database available again")
        self.database_error = None
        self._staleness.database_unavailable = False
        self.last_success = time.monotonic()
        if self._saved_in != self._last_good.folder:
            self._saved_in = self._last_good.folder
            self._unsaved |= self._slate.table.checked.keys()
        self._unsaved = {league for league in self._unsaved if not self._save(league)}
        # Last, and separately: a failed statistic does not mean that the games are out of date.
        with suppress(DatabaseError):
            self.source_ages.refresh(self._engine)

    def _save(self, league: str) -> bool:
        """Save the league's games on disk; False if that failed."""
        table = self._slate.table
        name, checked_at = document_name(league), table.checked.get(league)
        if checked_at is None:
            self._last_good.delete(name)
            return True
        rows = tuple(row for row in table.rows.values() if row.league == league)
        return self._last_good.save(name, LeagueSlate(league=league, checked_at=checked_at, rows=rows))

    def _fall_back(self) -> None:
        if self._published is not None:
            self._slate.merge_newer(self._published.read())
        if self.last_success is None and not self._slate.loaded:
            saved = (self._last_good.load(name, LeagueSlate) for name in self._last_good.names(document_name("")))
            self._slate.merge_newer(slate for slate in saved if slate is not None)

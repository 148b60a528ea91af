"""Keeps the games in memory the same as the feature store's; while that is away, the newest that can be had."""

import time
from contextlib import suppress

from sqlalchemy.engine import Engine

from core.errors import DatabaseError
from core.logs import get_logger
from feature_store.rows.online import watermarks
from serving.backends.last_known_good import LastKnownGood
from serving.games.published_slate import LeagueSlate, PublishedSlateReader, document_name
from serving.games.slate import Slate
from serving.games.source_age import SourceAges
from serving.games.staleness import StalenessPolicy

log = get_logger(__name__)


class SlateFollower:
    """Looks at the feature store's watermarks and keeps what it read on disk.

    While the database is away, games stay as they are, unless Redis has newer ones (``published``). A service that
    starts then takes them from there, or from the disk.
    """

    def __init__(
        self,
        engine: Engine,
        slate: Slate,
        staleness: StalenessPolicy,
        last_good: LastKnownGood,
        published: PublishedSlateReader | None,
    ) -> None:
        self._engine = engine
        self._slate = slate
        self._staleness = staleness
        self._last_good = last_good
        self._published = published
        self._unkept: set[str] = set()
        """Leagues whose newest state the disk has not taken yet."""
        self.data_age = SourceAges()
        self.away: DatabaseError | None = None
        self.looked_at: float | None = None
        """On the monotonic clock, when the database last answered."""

    def step(self) -> bool:
        """Look once; there is never more to do at once."""
        self._look()
        return False

    def close(self) -> None:
        """Give the connection to Redis back."""
        if self._published is not None:
            self._published.close()

    def age(self) -> float:
        """Seconds since the database last answered; infinite if it never did."""
        return float("inf") if self.looked_at is None else time.monotonic() - self.looked_at

    def _look(self) -> None:
        try:
            self._unkept |= self._slate.refresh(self._engine, watermarks(self._engine))
        except DatabaseError as error:
            if self.away is None:
                log.warning("the database is away; answers go on from memory", reason=error.message)
            self.away = error
            self._staleness.database_unavailable = True
            self._fall_back()
            return
        if self.away is not None:
            log.info("the database is back")
        self.away = None
        self._staleness.database_unavailable = False
        self.looked_at = time.monotonic()
        self._unkept = {league for league in self._unkept if not self._kept(league)}
        # Last, and by itself: a statistic that fails says nothing of the games.
        with suppress(DatabaseError):
            self.data_age.follow(self._engine)

    def _kept(self, league: str) -> bool:
        """Whether the disk has what is known of the league now."""
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
        if self.looked_at is None and not self._slate.loaded:
            found = (self._last_good.load(name, LeagueSlate) for name in self._last_good.names(document_name("")))
            self._slate.merge_newer(slate for slate in found if slate is not None)

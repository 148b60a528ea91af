"""Whether answers can still be compared with the database, and how old they may be while they cannot."""

from datetime import datetime, timedelta
from typing import Final

from core.errors import ServiceError
from serving.predictions.answer import STALE_AFTER, Served

RETRY_SECONDS: Final = 30
"""What a caller is told to wait: a database that was away for hours is not back in five seconds."""


class DataTooOldError(ServiceError):
    """The database is away, and what is in memory was last checked too long ago to be told."""

    code = "data_too_old"
    retryable = True


class Freshness:
    """``away`` is set by whoever asks the database; answers made meanwhile are marked, or refused beyond the limit."""

    def __init__(self, limit: timedelta) -> None:
        self.limit = limit
        self.away = False

    def allows(self, checked_at: datetime, now: datetime) -> bool:
        """Whether data last checked then may still be told."""
        return not self.away or now - checked_at <= self.limit

    def is_stale(self, checked_at: datetime, now: datetime) -> bool:
        """Whether data last checked then must be told with a warning."""
        return self.away or now - checked_at > STALE_AFTER

    def judged(self, served: Served, now: datetime) -> Served:
        """The answer, marked as stale while the database is away. Raises DataTooOldError."""
        if not self.away:
            return served
        self.must_allow(served.checked_at, now)
        return served.unconfirmed()

    def must_allow(self, checked_at: datetime, now: datetime) -> None:
        """Raises DataTooOldError for data that may not be told any more."""
        if not self.allows(checked_at, now):
            hours = (now - checked_at).total_seconds() / 3600
            msg = f"data_too_old: the database is away and the data was last checked {hours:.1f} hours ago."
            raise DataTooOldError(msg, hint="Ask again later.", checked_at=checked_at)

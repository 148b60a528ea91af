"""How old data may be that cannot be compared with the database, and when it is called stale."""

from datetime import datetime, timedelta
from typing import Final

from core.errors import ServiceError

STALE_AFTER: Final = timedelta(hours=24)
"""Data that was last checked longer ago than this is called stale."""

RETRY_SECONDS: Final = 30
"""What a caller is told to wait: a database that was away for hours is not back in five seconds."""


class DataTooOldError(ServiceError):
    """The database is unavailable, and the data in memory was last checked longer ago than the limit allows."""

    code = "data_too_old"


class StalenessPolicy:
    """Whether data may be served while the database is unavailable; whoever asks the database sets that."""

    def __init__(self, limit: timedelta) -> None:
        self.limit = limit
        """The greatest age of data that is served without a database."""
        self.database_unavailable = False

    def allows(self, checked_at: datetime, now: datetime) -> bool:
        """Whether data last checked then may still be served."""
        return not self.database_unavailable or now - checked_at <= self.limit

    def is_stale(self, checked_at: datetime, now: datetime) -> bool:
        """Whether data last checked then must be marked as stale."""
        return self.database_unavailable or now - checked_at > STALE_AFTER

    def check(self, checked_at: datetime, now: datetime) -> None:
        """Raise DataTooOldError for data that may not be served any more."""
        if not self.allows(checked_at, now):
            hours = (now - checked_at).total_seconds() / 3600
            msg = f"data_too_old: database unavailable, and the data was last checked {hours:.1f} hours ago."
            raise DataTooOldError(msg, hint="Try again later.", checked_at=checked_at)

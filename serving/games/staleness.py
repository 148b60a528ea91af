"""The greatest age of data that is served without a database, and the age from which data is marked as stale."""

from datetime import datetime, timedelta
from typing import Final

from core.clock import CLOCK_TOLERANCE
from core.errors import ServiceError

STALE_AFTER: Final = timedelta(hours=24)
"""Data that was last checked longer ago than this is marked as stale."""

NEGATIVE_AGE: Final = -CLOCK_TOLERANCE
"""Data of a lower age was checked by a wrong clock: its true age is unknown, and it is marked as stale."""

RETRY_SECONDS: Final = 30
"""Retry-After of the refusal: a database that was down for hours does not return within five seconds."""


class DataTooOldError(ServiceError):
    """The database is unavailable, and the data in memory was last checked longer ago than the limit allows."""

    code = "data_too_old"


class StalenessPolicy:
    """Decides whether data of some age may be served. The slate's follower sets ``database_unavailable``."""

    def __init__(self, limit: timedelta) -> None:
        self.limit = limit
        """The greatest age of data that is served without a database."""
        self.database_unavailable = False

    def allows(self, checked_at: datetime, now: datetime) -> bool:
        """Whether data last checked then may still be served."""
        return not self.database_unavailable or NEGATIVE_AGE <= now - checked_at <= self.limit

    def is_stale(self, checked_at: datetime, now: datetime) -> bool:
        """Whether data last checked then must be marked as stale."""
        return self.database_unavailable or not NEGATIVE_AGE <= now - checked_at <= STALE_AFTER

    def check(self, checked_at: datetime, now: datetime) -> None:
        """Raise DataTooOldError for data that may not be served any more."""
        if not self.allows(checked_at, now):
            hours = (now - checked_at).total_seconds() / 3600
            age = f"{hours:.1f} hours ago" if hours > 0 else "at a moment in the future, so that its age is unknown"
            msg = f"data_too_old: database unavailable, and the data was last checked {age}."
            raise DataTooOldError(msg, hint="Try again later.", checked_at=checked_at)

"""What has been asked of a service: the calls of the day, when it may be asked again, and the versions of its answers.

Kept in one small file per feed, which all processes of the machine share, so that a restart forgets neither a budget
nor a pause that the service asked for. A file that cannot be read is taken as empty, but for the day's budget of which
half counts as spent.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel, Field, ValidationError

from core.errors import RateLimitError
from core.files.atomic import write_file

FIRST_PAUSE: Final = timedelta(seconds=15)
LONGEST_PAUSE: Final = timedelta(hours=1)
"""After failures in a row the pause doubles from the first to the longest."""
DAY: Final = timedelta(days=1)
UNREADABLE: Final = "unreadable"
"""Stands for the day of a file that cannot be read, until the next call."""


class AnswerVersion(BaseModel):
    """How a service names the version of an answer: sent back, it may reply that nothing has changed."""

    etag: str = ""
    last_modified: str = ""


class CallRecord(BaseModel):
    """The content of the ledger's file."""

    day: str = ""
    """UTC date that ``calls`` counts for, or ``UNREADABLE``."""
    calls: int = Field(default=0, ge=0)
    remaining: int | None = None
    """Calls left by the service's own count; None if it gives none."""
    paused_until: datetime | None = None
    failures: int = Field(default=0, ge=0)
    """Failed calls in a row."""
    versions: dict[str, AnswerVersion] = Field(default_factory=dict)
    """By request, without secrets."""


class CallLedger:
    """Budget and pauses of one feed. Safe to use from several processes at once."""

    def __init__(self, path: Path, calls_per_day: int) -> None:
        self._path = path
        self._budget = calls_per_day

    def spend(self, calls: int, now: datetime) -> None:
        """Count calls that are about to be made. Raises RateLimitError with the time to wait if they may not be."""
        with self._changed(now) as record:
            if record.paused_until is not None and now < record.paused_until:
                wait = (record.paused_until - now).total_seconds()
                raise RateLimitError(f"The service is not to be asked for {wait:.0f} s.", retry_after=wait)
            left = self._left(record)
            if calls > left:
                wait = (_midnight(now) + DAY - now).total_seconds()
                msg = f"{calls} calls are needed, but {left} are left of {self._budget} for today."
                raise RateLimitError(msg, retry_after=wait, hint="The count begins anew at midnight UTC.")
            record.calls += calls
            if record.remaining is not None:
                record.remaining -= calls

    def note_answer(
        self,
        now: datetime,
        remaining: int | None,
        *,
        version: tuple[str, AnswerVersion] | None = None,
        pause: timedelta = timedelta(0),
    ) -> None:
        """Note an answer: the calls that are left by the service's own count if it gave one, and its new version.

        ``version`` is the request with the version; None for an answer that has not changed. With ``pause`` the next
        call waits that long.
        """
        with self._changed(now) as record:
            record.failures = 0
            record.paused_until = now + pause if pause else None
            record.remaining = remaining if remaining is not None else record.remaining
            if version is not None:
                record.versions.pop(version[0], None)
                record.versions |= {version[0]: version[1]} if version[1] != AnswerVersion() else {}

    def note_failure(self, now: datetime, pause: timedelta | None = None) -> None:
        """Note a failed call: the next one waits for ``pause``, a day at most, or longer with each failure in a row."""
        with self._changed(now) as record:
            grown = min(FIRST_PAUSE * 2**record.failures, LONGEST_PAUSE)
            record.failures = min(record.failures + 1, 16)
            record.paused_until = now + min(pause if pause is not None else grown, DAY)

    def spacing(self, calls: int, now: datetime) -> timedelta:
        """Return the interval between looks of so many calls that spreads what is left evenly over the day."""
        record = self._today(self._read(), now)
        looks = self._left(record) // max(calls, 1)
        rest = _midnight(now) + DAY - now
        return rest / looks if looks else rest

    def left(self, now: datetime) -> int:
        """Return the calls that are left for today."""
        return self._left(self._today(self._read(), now))

    def paused_until(self) -> datetime | None:
        """Return when the service may be asked again; None if it may be asked now."""
        return self._read().paused_until

    def version(self, request: str) -> AnswerVersion | None:
        """Return the version of the request's last answer."""
        return self._read().versions.get(request)

    def forget_version(self, request: str, now: datetime) -> None:
        """Let the request be answered in full the next time."""
        if request in self._read().versions:
            with self._changed(now) as record:
                record.versions.pop(request, None)

    def _left(self, record: CallRecord) -> int:
        own = self._budget - record.calls
        return max(0, own if record.remaining is None else min(own, record.remaining))

    @contextmanager
    def _changed(self, now: datetime) -> Iterator[CallRecord]:
        """The record of today, written when the block ends without an error."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            record = self._today(self._read(), now)
            yield record
            write_file(self._path, record.model_dump_json().encode(), durable=False)

    def _today(self, record: CallRecord, now: datetime) -> CallRecord:
        day = f"{now:%Y-%m-%d}"
        if record.day in (day, UNREADABLE):
            return record.model_copy(update={"day": day})
        # The service's own count may span a month; it is learned again from the next answer.
        return record.model_copy(update={"day": day, "calls": 0, "remaining": None})

    def _read(self) -> CallRecord:
        try:
            return CallRecord.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return CallRecord()
        except ValidationError:
            return CallRecord(day=UNREADABLE, calls=self._budget // 2)


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)

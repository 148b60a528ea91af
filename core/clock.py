"""The source of the present moment.

Only entry points (a command, a request, a flow) read ``now()``; below them the moment is an argument.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from core.errors import ValidationError

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far the clocks of two machines may differ; a moment further ahead is a fault, not an age."""


class Clock(Protocol):
    """Anything that returns the present moment."""

    def now(self) -> datetime:
        """The present moment, with time zone UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still, for the demo and ``--as-of``, which show the past as it was."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment


def parse_moment(text: str, *, field: str = "moment") -> datetime:
    """An ISO 8601 date or date-time as an aware UTC moment; a time without a zone is read as UTC.

    Raises ValidationError naming ``field``.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = f"{field}: expected a date or time such as 2024-05-04 or 2024-05-04T14:00Z, got {text!r}."
        raise ValidationError(msg, field=field) from error


def parse_date(text: str, *, field: str = "date") -> date:
    """An ISO 8601 calendar date. Raises ValidationError naming ``field``."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        msg = f"{field}: expected a date such as 2024-05-04, got {text!r}."
        raise ValidationError(msg, field=field) from error


def midnight(day: date) -> datetime:
    """The first moment of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)

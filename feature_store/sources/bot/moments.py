"""Moments in the bot's columns, which have no zone: when a game begins, ends and was fetched."""

import re
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import ConfigurationError
from feature_store.sources.upstream.json_fields import RejectedValueError
from feature_store.sources.upstream.moments import YEARS, parse_iso

_NO_MOMENT = re.compile(r"0{4}-0{2}-0{2}.*|", re.DOTALL)
"""How MySQL without strict mode writes that there is no moment."""


class Zones(NamedTuple):
    """In which zones the bot's writers put their wall times into ``start_time`` and ``end_time``."""

    recorded: ZoneInfo
    """Of rows with upstream's record in ``raw_json``: the live fetcher's."""

    bare: ZoneInfo
    """Of rows without one: the comprehensive fetcher's, which stores US Eastern wall times."""

    @classmethod
    def named(cls, recorded: str, bare: str) -> "Zones":
        """Raises ConfigurationError naming the setting of a zone that does not exist."""
        return cls(_zone("BOT_TIMEZONE", recorded), _zone("BOT_BARE_TIMEZONE", bare))


def _zone(setting: str, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"{setting}: unknown time zone {name!r}.", hint="Examples: UTC, America/New_York."
        ) from error


def column_moment(column: str, value: object, zone: ZoneInfo) -> datetime | None:
    """A moment stored without a zone, read as wall time of ``zone``; None when there is none.

    Raises RejectedValueError naming the column for something that is no moment of 1900 to 2100.
    """
    if value is None or (isinstance(value, str) and _NO_MOMENT.fullmatch(value.strip())):
        return None
    if isinstance(value, str):
        value = parse_iso(value)
    if not isinstance(value, datetime) or value.year not in YEARS:
        raise RejectedValueError(f"{column} is not a moment that can be read", str(value))
    return (value.replace(tzinfo=zone) if value.tzinfo is None else value).astimezone(UTC)

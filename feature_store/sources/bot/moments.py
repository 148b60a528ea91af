"""When a game of the bot's feed begins, ends and was fetched, and which season its source states."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import ConfigurationError
from feature_store.sources.bot.json_fields import RejectedValueError, at_path

YEARS: Final = range(1900, 2101)
NEWEST_TIMESTAMP: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_NO_MOMENT = re.compile(r"0{4}-0{2}-0{2}.*|", re.DOTALL)
"""How MySQL without strict mode writes that there is no moment."""
_SEASON = re.compile(r"([12]\d{3})(?:\s*[-/]\s*\d{2,4})?", re.ASCII)
_PLACES_OF_DATE: Final = (("fixture",), ("game", "date"), ("game",), ())


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
        value = _parsed(value)
    if not isinstance(value, datetime) or value.year not in YEARS:
        raise RejectedValueError(f"{column} is not a moment that can be read", str(value))
    return (value.replace(tzinfo=zone) if value.tzinfo is None else value).astimezone(UTC)


def upstream_start(raw: Mapping[str, object]) -> datetime | None:
    """The start in upstream's own record, if that has a zone; unlike the column, the bot has not shifted it."""
    for path in _PLACES_OF_DATE:
        place = at_path(raw, *path) if path else raw
        start = _zoned(at_path(place, "date")) or _from_timestamp(at_path(place, "timestamp"))
        if start is not None:
            return start
    return None


def stated_season(column: object, raw: Mapping[str, object]) -> int | None:
    """The year in which the game's season began: the column's, else upstream's, None where neither states one."""
    return _season(column) or _season(at_path(raw, "league", "season"))


def _season(value: object) -> int | None:
    match = _SEASON.fullmatch(str(value).strip()) if isinstance(value, (int, str)) else None
    return int(match[1]) if match is not None and int(match[1]) in YEARS else None


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _zoned(text: object) -> datetime | None:
    moment = _parsed(text) if isinstance(text, str) else None
    if moment is None or moment.tzinfo is None or moment.year not in YEARS:
        return None
    return moment.astimezone(UTC)


def _from_timestamp(value: object) -> datetime | None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < NEWEST_TIMESTAMP:
        return None
    return datetime.fromtimestamp(value, UTC)

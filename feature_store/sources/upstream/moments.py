"""When a game of upstream's record begins, and which season it states."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from feature_store.sources.upstream.json_fields import at_path

YEARS: Final = range(1900, 2101)
NEWEST_TIMESTAMP: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_SEASON = re.compile(r"([12]\d{3})(?:\s*[-/]\s*\d{2,4})?", re.ASCII)
_PLACES_OF_DATE: Final = (("fixture",), ("game", "date"), ("game",), ())


def upstream_start(raw: Mapping[str, object]) -> datetime | None:
    """The start in the record, if that has a zone."""
    for path in _PLACES_OF_DATE:
        place = at_path(raw, *path) if path else raw
        start = zoned_moment(at_path(place, "date")) or _from_timestamp(at_path(place, "timestamp"))
        if start is not None:
            return start
    return None


def stated_season(*places: object) -> int | None:
    """The year in which the game's season began, by the first place that states one: 2026, "2026", "2026-2027"."""
    return next((season for season in map(_season, places) if season is not None), None)


def zoned_moment(text: object) -> datetime | None:
    """The ISO moment in UTC; None for anything else, and for a wall time without a zone."""
    moment = parse_iso(text) if isinstance(text, str) else None
    if moment is None or moment.tzinfo is None or moment.year not in YEARS:
        return None
    return moment.astimezone(UTC)


def parse_iso(text: str) -> datetime | None:
    """The ISO moment or date as it is written, None for other text."""
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _season(value: object) -> int | None:
    match = _SEASON.fullmatch(str(value).strip()) if isinstance(value, (int, str)) else None
    return int(match[1]) if match is not None and int(match[1]) in YEARS else None


def _from_timestamp(value: object) -> datetime | None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < NEWEST_TIMESTAMP:
        return None
    return datetime.fromtimestamp(value, UTC)

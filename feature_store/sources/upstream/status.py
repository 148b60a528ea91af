"""How far a game is and to which part of the season it belongs, by the words of the bot and of upstream's record."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from feature_store.archive.facts import Status
from feature_store.sources.upstream.json_fields import at_path

Stage = Literal["preseason", "exhibition", "regular", "playoff"]

_PRESEASON: Final = re.compile(r"\bpre[\s-]?season\b|\bspring training\b", re.IGNORECASE)
_EXHIBITION: Final = re.compile(
    r"\bexhibitions?\b|\ball[\s-]?stars?\b|\bpro[\s-]?bowl\b|\bfriendl(?:y|ies)\b", re.IGNORECASE
)
_PLAYOFF: Final = re.compile(
    r"\b(?:semi|quarter)?[\s-]?finals?\b|\bround of \d+\b|\b(?:play[\s-]?offs?|knock[\s-]?outs?|post[\s-]?season)\b"
    r"|\bwild[\s-]?card\b|\bdivisional round\b|\b(?:division|championship|world) series\b|\bconference championships?\b"
    r"|\bsuper bowl\b",
    re.IGNORECASE,
)
_PLACES: Final = (("league", "round"), ("round",), ("stage",), ("week",), ("game", "stage"), ("game", "week"))

_STATUSES: Final = (
    *(("fixture", "status", form) for form in ("long", "short")),
    *(("game", "status", form) for form in ("long", "short")),
    *(("status", form) for form in ("long", "short")),
)

_SUBJECT = re.compile(r"^(match|game|fight) ")
_SEPARATORS = re.compile(r"[\s_,\-]+")
LONGEST_STORED: Final = 20
"""Characters of a status that the bot's column holds; a database without strict mode cuts the rest off."""

_WORDS: Final[Mapping[Status, tuple[str, ...]]] = {
    "scheduled": (
        *("ns", "tbd", "not started", "time to be defined", "scheduled", "upcoming"),
        *("delayed", "pre game", "warm up", "warmup"),
    ),
    "live": (
        *("live", "in play", "in progress", "started", "kick off"),
        *("first half kick off", "second half 2nd half started"),
        *("1h", "first half", "ht", "half time", "halftime", "2h", "second half"),
        *("et", "extra time", "bt", "break", "break time", "pt", "penalties time", "penalty in progress"),
        *("ot", "over time", "overtime", "intermission", "rain delay"),
    ),
    "final": (
        *("ft", "finished", "final", "ended", "complete", "completed", "full time"),
        *("aet", "after extra time", "finished after extra time"),
        *("pen", "ap", "after penalties", "after penalty", "finished after penalties", "finished after penalty"),
        *("aot", "after over time", "after overtime", "finished after over time", "finished after overtime"),
    ),
    "void": (
        *("pst", "post", "postponed", "canc", "cancelled", "canceled", "abd", "abandoned"),
        *("susp", "suspended", "int", "intr", "interrupted", "no contest"),
        # An awarded score was not played for: it says nothing about the teams and settles no bet.
        *("awd", "aw", "awarded", "technical loss", "wo", "walkover", "walk over"),
    ),
}
"""Words that mean the same in every sport that has them."""

_WORDS_OF_SPORT: Final[Mapping[str, Mapping[Status, tuple[str, ...]]]] = {
    "soccer": {"live": ("p",)},
    "mma": {
        # Until the first round begins, bets are accepted: the fight has not begun.
        "scheduled": ("in", "intro", "pf", "pre fight", "prefight", "wo", "walkouts", "walk outs", "walkout"),
        "live": ("eor", "end of round"),
    },
    "afl": {"live": ("qt", "quarter time")},
}
"""Words that only a sport has, or that mean something else in it: WO is a walkover, in MMA the fighters' walk-outs."""

_PERIOD: Final = "(?:half|quarter|period|inning|set|round|map|frame)"
_ORDINAL: Final = r"(?:first|second|third|fourth|fifth|\d{1,2}(?:st|nd|rd|th)?)"
_IN_PLAY: Final = re.compile(
    rf"(?:end of (?:the )?)?(?:{_ORDINAL} {_PERIOD}|{_PERIOD} \d{{1,2}})(?: break)?"
    rf"|(?:top|bottom|middle|end) (?:of )?(?:the )?{_ORDINAL}(?: {_PERIOD})?"
    r"|(?:q|p|in|s|ot|r)\d{1,2}"
)
"""A numbered part of a game: ``Q3``, ``S5``, ``Set 2``, ``3rd period``, ``End of 2nd quarter``."""


def _statuses(words: Mapping[Status, tuple[str, ...]]) -> dict[str, Status]:
    return {word: status for status, own in words.items() for word in own}


_STATUS_OF: Final = _statuses(_WORDS)
_STATUS_IN: Final = {sport: _STATUS_OF | _statuses(words) for sport, words in _WORDS_OF_SPORT.items()}


def status_of(text: object, sport: str) -> Status:
    """The status that a long or short text of any of the bot's writers means in the sport, in any case.

    Else ``unknown``. ``final`` includes games decided after extra time, overtime or penalties. ``void`` is a game that
    will not be decided as planned: put off, called off, broken off or awarded.
    """
    if not isinstance(text, str):
        return "unknown"
    words = _SUBJECT.sub("", _SEPARATORS.sub(" ", text).strip().casefold())
    statuses = _STATUS_IN.get(sport, _STATUS_OF)
    if words in statuses:
        return statuses[words]
    if _IN_PLAY.fullmatch(words):
        return "live"
    return _status_of_stump(words, statuses) if len(text.strip()) >= LONGEST_STORED - 1 else "unknown"


def _status_of_stump(words: str, statuses: Mapping[str, Status]) -> Status:
    """The status of every word that begins so, unless they have different ones."""
    found = {status for word, status in statuses.items() if word.startswith(words)}
    return found.pop() if len(found) == 1 else "unknown"


def upstream_status(raw: Mapping[str, object], sport: str, *columns: object) -> Status:
    """The status by the first text that is known: of the columns, then of the record."""
    texts = (*columns, *(at_path(raw, *path) for path in _STATUSES))
    return next((status for text in texts if (status := status_of(text, sport)) != "unknown"), "unknown")


def stage_of(raw: Mapping[str, object]) -> Stage:
    """The part of the season; regular where the record names none."""
    words = [place for path in _PLACES if isinstance(place := at_path(raw, *path), str)]
    if any(_PRESEASON.search(text) for text in words):
        return "preseason"
    if any(_EXHIBITION.search(text) for text in words):
        return "exhibition"
    return "playoff" if any(_PLAYOFF.search(text) for text in words) else "regular"

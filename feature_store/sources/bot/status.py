"""How far a game is and to which part of the season it belongs, by the words of the bot and of upstream's record."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from feature_store.archive.facts import Status
from feature_store.sources.bot.json_fields import at_path

Stage = Literal["preseason", "regular", "playoff"]

_PRESEASON: Final = re.compile(r"\bpre[\s-]?season\b|\bspring training\b|\bexhibition\b", re.IGNORECASE)
_PLAYOFF: Final = re.compile(
    r"\b(?:semi|quarter)?[\s-]?finals?\b|\bround of \d+\b|\b(?:play[\s-]?offs?|knock[\s-]?outs?|post[\s-]?season)\b"
    r"|\bwild[\s-]?card\b|\bdivisional round\b|\b(?:division|championship|world) series\b|\bconference championships?\b"
    r"|\bsuper bowl\b",
    re.IGNORECASE,
)
_PLACES: Final = (("league", "round"), ("round",), ("stage",), ("week",), ("game", "stage"), ("game", "week"))

_SUBJECT = re.compile(r"^(match|game|fight) ")
_SEPARATORS = re.compile(r"[\s_,\-]+")

_WORDS: Final[Mapping[Status, tuple[str, ...]]] = {
    "scheduled": ("ns", "tbd", "not started", "time to be defined", "scheduled", "upcoming"),
    "live": (
        *(
            "live",
            "in play",
            "in progress",
            "started",
            "kick off",
            "first half kick off",
            "second half 2nd half started",
        ),
        *("1h", "first half", "ht", "half time", "halftime", "2h", "second half"),
        *("et", "extra time", "bt", "break", "break time", "p", "penalty in progress", "pt", "penalties time"),
        *("ot", "over time", "overtime"),
        *("first period", "second period", "third period"),
        *("first quarter", "second quarter", "third quarter", "fourth quarter"),
        *(f"q{number}" for number in range(1, 5)),
        *(f"quarter {number}" for number in range(1, 5)),
        *(f"p{number}" for number in range(1, 4)),
        *(f"period {number}" for number in range(1, 4)),
        *(f"in{number}" for number in range(1, 10)),
        *(f"inning {number}" for number in range(1, 10)),
    ),
    "final": (
        *("ft", "finished", "final", "ended", "complete", "completed", "full time"),
        *("aet", "after extra time", "finished after extra time"),
        *("pen", "ap", "after penalties", "after penalty", "finished after penalties", "finished after penalty"),
        *("aot", "after over time", "after overtime", "finished after over time", "finished after overtime"),
    ),
    "void": (
        *("pst", "post", "postponed", "canc", "cancelled", "canceled", "abd", "abandoned"),
        *("susp", "suspended", "int", "intr", "interrupted"),
        # An awarded score was not played for: it says nothing about the teams and settles no bet.
        *("awd", "aw", "awarded", "technical loss", "wo", "walkover", "walk over"),
    ),
}
_STATUS_OF: Final[Mapping[str, Status]] = {word: status for status, words in _WORDS.items() for word in words}


def status_of(text: object) -> Status:
    """The status that a long or short text of any of the bot's writers means, in any case; else ``unknown``.

    ``final`` includes games decided after extra time, overtime or penalties. ``void`` is a game that will not
    be decided as planned: put off, called off, broken off or awarded.
    """
    if not isinstance(text, str):
        return "unknown"
    words = _SEPARATORS.sub(" ", text).strip().casefold()
    return _STATUS_OF.get(_SUBJECT.sub("", words), "unknown")


def stage_of(raw: Mapping[str, object]) -> Stage:
    """The part of the season; regular where the record names none."""
    words = [place for path in _PLACES if isinstance(place := at_path(raw, *path), str)]
    if any(_PRESEASON.search(text) for text in words):
        return "preseason"
    return "playoff" if any(_PLAYOFF.search(text) for text in words) else "regular"

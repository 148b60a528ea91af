"""The bot's words for how far a game is, in the archive's five."""

import re
from collections.abc import Mapping
from typing import Final

from feature_store.archive.facts import Status

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
        # A score at the green table was not played for: it says nothing about the teams and settles no bet.
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

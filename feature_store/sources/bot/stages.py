"""What part of a season a game of the bot's feed belongs to, by the words of upstream's record."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from feature_store.sources.bot.json_fields import within

Stage = Literal["preseason", "regular", "playoff"]

_PRESEASON: Final = re.compile(r"\bpre[\s-]?season\b|\bspring training\b|\bexhibition\b", re.IGNORECASE)
_PLAYOFF: Final = re.compile(
    r"\b(?:semi|quarter)?[\s-]?finals?\b|\bround of \d+\b|\b(?:play[\s-]?offs?|knock[\s-]?outs?|post[\s-]?season)\b"
    r"|\bwild[\s-]?card\b|\bdivisional round\b|\b(?:division|championship|world) series\b|\bconference championships?\b"
    r"|\bsuper bowl\b",
    re.IGNORECASE,
)
_PLACES: Final = (("league", "round"), ("round",), ("stage",), ("week",), ("game", "stage"), ("game", "week"))


def stage_of(raw: Mapping[str, object]) -> Stage:
    """The part of the season; regular where the record says nothing of it."""
    words = [place for path in _PLACES if isinstance(place := within(raw, *path), str)]
    if any(_PRESEASON.search(text) for text in words):
        return "preseason"
    return "playoff" if any(_PLAYOFF.search(text) for text in words) else "regular"

"""Feature values in a bettor's words: each function here returns a function of a value, which gives None for no reason.

Signs become sides: positive values are in favour of the home side, negative ones of the away side.
"""

import math
from collections.abc import Callable

Wording = Callable[[float], str | None]
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def nothing(_value: float) -> None:
    """For a feature that favours neither side."""


def lead(text: str, digits: int = 0, scale: float = 1.0) -> Wording:
    """The text with ``{side}`` and ``{by}``, the value's size times ``scale``; None where that rounds to nothing."""

    def phrase(value: float) -> str | None:
        by = round(abs(value) * scale, digits)
        return text.format(side=_side(value), by=f"{by:.{digits}f}") if by else None

    return phrase


def more(text: str, unit: str, *, home: bool = True) -> Wording:
    """The text with ``{side}`` and ``{by}``, whole units such as "two days"; None for less than half a unit.

    Without ``home``, positive values are the away side's.
    """

    def phrase(value: float) -> str | None:
        by = math.floor(abs(value) + 0.5)
        if not by:
            return None
        number = NUMBERS[by] if by < len(NUMBERS) else str(by)
        return text.format(side=_side(value if home else -value), by=f"{number} {unit}{'s' * (by > 1)}")

    return phrase


def toward(text: str, least: float) -> Wording:
    """The text with ``{side}`` alone; None for a value smaller than ``least``."""

    def phrase(value: float) -> str | None:
        return text.format(side=_side(value)) if abs(value) >= least else None

    return phrase


def count(text: str) -> Wording:
    """The text with ``{by}``, the value to the whole and never below 0."""

    def phrase(value: float) -> str | None:
        return text.format(by=f"{max(value, 0.0):.0f}")

    return phrase


def fact(text: str) -> Wording:
    """The text where the value is not 0; None for 0."""

    def phrase(value: float) -> str | None:
        return text if value else None

    return phrase


def odds_on(text: str) -> Wording:
    """The text with ``{side}``, ``{by}`` and ``{rest}``: log odds as shares of a hundred; None at even odds."""

    def phrase(value: float) -> str | None:
        share = round(100 / (1 + math.exp(-abs(value))))
        return text.format(side=_side(value), by=share, rest=100 - share) if share != 50 else None

    return phrase


def _side(value: float) -> str:
    return "home side" if value > 0 else "away side"

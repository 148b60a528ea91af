"""Feature values as a bettor says them: each maker gives a function of a value, which answers None for no reason.

Signs become sides: positive values speak of the home side, negative ones of the away side.
"""

import math
from collections.abc import Callable

Says = Callable[[float], str | None]
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def nothing(_value: float) -> None:
    """For what speaks for neither side."""


def lead(text: str, digits: int = 0, scale: float = 1.0) -> Says:
    """The text with ``{side}`` and ``{by}``, the value's size times ``scale``; None where that rounds to nothing."""

    def says(value: float) -> str | None:
        by = round(abs(value) * scale, digits)
        return text.format(side=_side(value), by=f"{by:.{digits}f}") if by else None

    return says


def more(text: str, unit: str, *, home: bool = True) -> Says:
    """The text with ``{side}`` and ``{by}``, whole units such as "two days"; None for less than half a unit.

    Without ``home``, positive values are the away side's.
    """

    def says(value: float) -> str | None:
        by = math.floor(abs(value) + 0.5)
        if not by:
            return None
        number = NUMBERS[by] if by < len(NUMBERS) else str(by)
        return text.format(side=_side(value if home else -value), by=f"{number} {unit}{'s' * (by > 1)}")

    return says


def toward(text: str, least: float) -> Says:
    """The text with ``{side}`` alone; None for a value smaller than ``least``."""

    def says(value: float) -> str | None:
        return text.format(side=_side(value)) if abs(value) >= least else None

    return says


def count(text: str) -> Says:
    """The text with ``{by}``, the value to the whole and never below 0."""

    def says(value: float) -> str | None:
        return text.format(by=f"{max(value, 0.0):.0f}")

    return says


def fact(text: str) -> Says:
    """The text where the value is not 0: "play-off" is no reason where there is none."""

    def says(value: float) -> str | None:
        return text if value else None

    return says


def odds_on(text: str) -> Says:
    """The text with ``{side}``, ``{by}`` and ``{rest}``: log odds as shares of a hundred; None at even odds."""

    def says(value: float) -> str | None:
        share = round(100 / (1 + math.exp(-abs(value))))
        return text.format(side=_side(value), by=share, rest=100 - share) if share != 50 else None

    return says


def _side(value: float) -> str:
    return "home side" if value > 0 else "away side"

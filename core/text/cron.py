"""Cron expressions of five fields: which of them name a moment that comes."""

import re
from typing import Final, NamedTuple

ITEM: Final = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?", re.ASCII)


class CronField(NamedTuple):
    """The smallest and the largest number of a field, and the words that stand for its numbers from the smallest on."""

    lowest: int
    highest: int
    words: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        """The number that the text stands for. Raises ValueError for one that the field does not have."""
        if text.lower() in self.words:
            return self.lowest + self.words.index(text.lower())
        number = int(text) if text.isdecimal() and len(text) <= 2 else -1
        if not self.lowest <= number <= self.highest:
            raise ValueError(text)
        return number


MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS: Final = (
    CronField(0, 59),
    CronField(0, 23),
    CronField(1, 31),
    CronField(1, 12, MONTHS),
    CronField(0, 7, WEEKDAYS),
)
"""Minute, hour, day of the month, month, day of the week (0 and 7 are Sunday)."""

MOST_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_cron(text: str) -> bool:
    """Whether the text is a cron expression that is due at some time: February 30 is not."""
    fields = text.split()
    if len(fields) != len(FIELDS):
        return False
    try:
        _, _, days, months, weekdays = (_numbers(each, field) for each, field in zip(fields, FIELDS, strict=True))
    except ValueError:
        return False
    return len(weekdays) < len(range(FIELDS[4].lowest, FIELDS[4].highest + 1)) or any(
        min(days) <= MOST_DAYS[month - 1] for month in months
    )


def _numbers(text: str, field: CronField) -> set[int]:
    """The numbers that a field names. Raises ValueError."""
    return {number for item in text.split(",") for number in _range(item, field)}


def _range(text: str, field: CronField) -> range:
    found = ITEM.fullmatch(text)
    if found is None or (found["first"] == "*" and found["last"]):
        raise ValueError(text)
    if found["first"] == "*":
        first, last = field.lowest, field.highest
    else:
        first = field.number(found["first"])
        last = field.number(found["last"]) if found["last"] else (field.highest if found["step"] else first)
    step = int(found["step"] or 1)
    if first > last or not 0 < step <= field.highest:
        raise ValueError(text)
    return range(first, last + 1, step)

"""Whether a file lost so much that its reading must not pass for a success."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from feature_store.archive.facts import Rejected
from feature_store.sources.csv.reader import CsvReading

MOST_LOST: Final = 0.02
"""Share of a file's rows that may have something in quarantine."""

_VALUE: Final = re.compile(r"'[^']*'|[+-]?\d+(?:\.\d+)?")
"""What was read, as reasons quote it."""

LINES_SHOWN: Final = 3
CHARACTERS_SHOWN: Final = 160


@dataclass(frozen=True)
class LossReason:
    """One reason for quarantine, with ... for values that differ, how often it occurs, and its first lines."""

    fact: str
    reason: str
    count: int
    lines: Sequence[str]


@dataclass(frozen=True)
class FileLoss:
    """What a file lost: rows with something in quarantine, and the kinds of facts of which nothing is left."""

    file: str
    rows: int
    damaged_rows: int
    lost_kinds: Sequence[str]
    reasons: Sequence[LossReason]
    detected_encoding: str = ""

    def __str__(self) -> str:
        share = f"{self.damaged_rows:,} of {self.rows:,} rows ({self.damaged_rows / max(self.rows, 1):.1%})"
        kinds = f", all {' and '.join(self.lost_kinds)}" if self.lost_kinds else ""
        return f"{self.file}: in quarantine are facts of {share}{kinds}"


def measure_loss(file: str, reading: CsvReading) -> FileLoss | None:
    """What the file lost, if that is more than 2 % of its rows or all facts of a kind; None if it is less."""
    damaged = len({item.place for item in reading.rejected})
    kinds = _lost_kinds(reading)
    if damaged <= MOST_LOST * reading.rows and not kinds:
        return None
    return FileLoss(file, reading.rows, damaged, kinds, _reasons(reading.rejected), reading.detected_encoding)


def _lost_kinds(reading: CsvReading) -> list[str]:
    """The kinds of facts that were all rejected; a row without a game has neither result nor prices."""
    rejected = {item.fact for item in reading.rejected}
    batches = reading.batches.values()
    left: Mapping[str, tuple[str, bool]] = {
        "row": ("games", any(batch.games for batch in batches)),
        "result": ("results", any(batch.results for batch in batches)),
        "quote": ("quotes", any(batch.quotes for batch in batches)),
    }
    return [name for fact, (name, has_any) in left.items() if fact in rejected and not has_any]


def _reasons(rejected: Sequence[Rejected]) -> list[LossReason]:
    """The reasons, most frequent first; those that differ in the values that were read only are one."""
    found: dict[tuple[str, str], list[Rejected]] = defaultdict(list)
    for item in rejected:
        found[item.fact, _without_values(item.reason)].append(item)
    ordered = sorted(found.items(), key=lambda entry: -len(entry[1]))
    return [
        LossReason(
            fact,
            items[0].reason if len({item.reason for item in items}) == 1 else masked,
            len(items),
            [_line(item) for item in items[:LINES_SHOWN]],
        )
        for (fact, masked), items in ordered
    ]


def _without_values(reason: str) -> str:
    return _VALUE.sub("...", reason.partition(" Nearest: ")[0])


def _line(item: Rejected) -> str:
    content = item.content if len(item.content) <= CHARACTERS_SHOWN else f"{item.content[:CHARACTERS_SHOWN]} ..."
    return f"{item.place}: {item.reason}: {' '.join(content.splitlines())}"

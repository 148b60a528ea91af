"""The records of a CSV text, which may hold line breaks in quotes; a quote that is not closed costs no other record."""

import csv
import io
from collections.abc import Iterator
from typing import Final, NamedTuple

MOST_LINES: Final = 50
"""Lines of one record: a quote that is open for longer was never meant to span them."""


class CsvRecord(NamedTuple):
    """The cells of one record and the line it begins on; ``sound`` is how many of its cells are sound, if not all."""

    line: int
    cells: list[str]
    sound: int | None = None


class _Lines:
    """The lines of a text, of which a reader gets no more than ``MOST_LINES`` for one record."""

    def __init__(self, text: str) -> None:
        self.lines = io.StringIO(text, newline="").readlines()
        self.next = 0
        self.end = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self.next >= self.end:
            raise StopIteration
        self.next += 1
        return self.lines[self.next - 1]


def read_records(text: str, delimiter: str = ",") -> Iterator[CsvRecord]:
    """Every record of the text, blank lines included as records without cells.

    Where quotes do not close as RFC 4180 says, the record is that one line, with the cells before the quote; reading
    continues on the next line.
    """
    source = _Lines(text)
    reader = csv.reader(source, delimiter=delimiter, skipinitialspace=True, strict=True)
    while (start := source.next) < len(source.lines):
        source.end = min(start + MOST_LINES, len(source.lines))
        try:
            yield CsvRecord(start + 1, next(reader))
        except csv.Error:
            source.next = start + 1
            cells = _sound_cells(source.lines[start], delimiter)
            yield CsvRecord(start + 1, cells, len(cells))


def _sound_cells(line: str, delimiter: str) -> list[str]:
    """The cells of a line before its first quote that is not closed or is followed by text."""
    end = len(line)
    while (end := line.rfind(delimiter, 0, end)) > 0:
        try:
            return next(csv.reader([line[:end]], delimiter=delimiter, skipinitialspace=True, strict=True), [])
        except csv.Error:
            continue
    return []

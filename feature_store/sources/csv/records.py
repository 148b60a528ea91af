"""The records of a CSV text, which may hold line breaks in quotes; a quote that is not closed costs no other record."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

MOST_LINES: Final = 50
"""Lines of one record: a quote that is open for longer was never meant to span them."""


class LooseCells(NamedTuple):
    """The cells of a line, and the places of those whose closing quote is followed by text."""

    cells: list[str]
    damaged: Sequence[int]


class CsvRecord(NamedTuple):
    """The cells of one record and the line it begins on.

    Of a line whose quotes are damaged, ``cells`` are those before the first such quote, ``sound`` is their number, and
    ``loose`` are all its cells, if every quote closes somewhere. ``damaged`` are the places of single damaged cells.
    """

    line: int
    cells: list[str]
    sound: int | None = None
    loose: LooseCells | None = None
    damaged: Sequence[int] = ()

    def with_width(self, width: int) -> "CsvRecord":
        """The record with all its cells, if the loose reading of its quotes gives as many as the header has."""
        if self.loose is None or len(self.loose.cells) < width or any(map(str.strip, self.loose.cells[width:])):
            return self
        return CsvRecord(self.line, self.loose.cells, damaged=self.loose.damaged)


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
    continues on the next line. Whether the cells behind the quote can be trusted shows in their number.
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
            yield CsvRecord(start + 1, cells, len(cells), _loose_cells(source.lines[start], delimiter))


def _sound_cells(line: str, delimiter: str) -> list[str]:
    """The cells of a line before its first quote that is not closed or is followed by text."""
    end = len(line)
    while (end := line.rfind(delimiter, 0, end)) > 0:
        try:
            return next(csv.reader([line[:end]], delimiter=delimiter, skipinitialspace=True, strict=True), [])
        except csv.Error:
            continue
    return []


@lru_cache(maxsize=8)
def _loose_cell(delimiter: str) -> re.Pattern[str]:
    """A quoted cell and the text behind its closing quote, or a cell without quotes."""
    text = f"[^{re.escape(delimiter)}]*"
    return re.compile(rf'\s*"((?:[^"]|"")*)"({text})|((?!\s*"){text})')


def _loose_cells(line: str, delimiter: str) -> LooseCells | None:
    """All cells of a line, text behind a closing quote included; None if a quote is never closed."""
    line = line.rstrip("\r\n")
    cells: list[str] = []
    damaged: list[int] = []
    position = 0
    while (found := _loose_cell(delimiter).match(line, position)) is not None:
        quoted, behind, plain = found.groups()
        if behind and not behind.isspace():
            damaged.append(len(cells))
        cells.append(plain if quoted is None else quoted.replace('""', '"') + behind)
        if found.end() == len(line):
            return LooseCells(cells, damaged)
        if line[found.end()] != delimiter:
            return None
        position = found.end() + 1
    return None

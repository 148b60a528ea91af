"""A CSV file as a table: its header, and the records below it with the cells that are read.

A row is judged by those cells alone. A file that cannot be read to its end is refused: half a gzip file has no
checksum. Messages name a row by the line of the file that it begins on.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from textwrap import shorten
from typing import Final, NamedTuple

from core.errors import ValidationError
from core.files.text import open_regular
from feature_store.sources.csv.columns import CsvColumn
from feature_store.sources.csv.encoding import STRAY, DecodedText, decode_text
from feature_store.sources.csv.plain_text import plain_spaces
from feature_store.sources.csv.records import CsvRecord, read_records

ENDINGS: Final = (".csv", ".csv.gz")
MOST_BYTES: Final = 1 << 30
"""Bytes of a file, unpacked; its text and its facts are held in memory."""

CHUNK: Final = 1 << 16
TITLE_LINES: Final = 10
"""Records among which the header is looked for: some files begin with a title."""

MOST_SHOWN: Final = 1000
"""Characters of a header that a message shows."""

_FOREIGN: Final = {b"PK\x03\x04": "a spreadsheet or an archive; save it as CSV", b"\x1f\x8b": "gzip; name it .csv.gz"}
"""What a file that is no CSV begins with."""

END_OF_TEXT: Final = "\x1a\x00"
"""What old programs write behind the last row."""

_DECLARED_DELIMITER: Final = "sep="
"""Spreadsheets understand a first line such as ``sep=;``."""


def csv_files(paths: list[Path]) -> list[Path]:
    """The CSV files among the paths and directly inside the folders among them. Raises ValidationError if none."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ValidationError(f"PATH: {path} does not exist.", field="PATH")
        inside = path.iterdir() if path.is_dir() else ()
        files += sorted(file for file in inside if file.name.lower().endswith(ENDINGS)) if path.is_dir() else [path]
    if not files:
        msg = f"PATH: no .csv or .csv.gz file in {', '.join(map(str, paths))}."
        raise ValidationError(msg, field="PATH")
    return files


SOUND: Final[Mapping[str, str]] = {}
"""What is wrong with the cells of nearly every row; one object, since a file's rows stay in memory until its end."""


class PickedCells(NamedTuple):
    """The cells of one group of columns in a record, what is wrong with others, and which columns the row lacks."""

    cells: dict[str, str]
    damaged: Mapping[str, str]
    absent: tuple[str, ...]


class ColumnPlaces(NamedTuple):
    """The columns of one group that the header has, where they stand, and what takes their cells out of a row."""

    names: Sequence[str]
    places: Sequence[int]
    take: Callable[[Sequence[str]], Iterable[str]]


class TableHeader:
    """Where the columns that are read stand in the header.

    Raises ValidationError when a required column is missing, or one that is read has a name that stands there twice.
    """

    def __init__(self, names: Sequence[str], groups: Sequence[Sequence[CsvColumn]], either: Sequence[str]) -> None:
        self.names = [plain_spaces(name.strip().lstrip("\ufeff")) for name in names]
        self.groups = [self._places(group) for group in groups]
        if either and not set(either).intersection(self.groups[0].names):
            raise self._missing(" or ".join(either), " or ".join(either))
        self.first = self.groups[0].places[0]

    def _places(self, group: Sequence[CsvColumn]) -> ColumnPlaces:
        places: list[tuple[str, int]] = []
        for column in group:
            name = next((name for name in column.theirs if name in self.names), None)
            if name is not None:
                if self.names.count(name) > 1:
                    raise ValidationError(f"column {name} is twice in the header", field=column.ours)
                places.append((column.ours, self.names.index(name)))
            elif column.required:
                raise self._missing(" or ".join(column.theirs), column.ours)
        found = [place for _, place in places]
        return ColumnPlaces([name for name, _ in places], found, _taker(found))

    def _missing(self, name: str, ours: str) -> ValidationError:
        shown = [name for name in self.names if name]
        hint = ""
        if len(shown) == 1 and (mark := next((mark for mark in ";\t|" if mark in shown[0]), "")):
            hint = f"; if {mark!r} parts its cells, declare that in a mapping: [formats] delimiter = {mark!r}"
        listed = shorten(", ".join(shown), MOST_SHOWN, placeholder=" ...") or "no columns"
        msg = f"column {name} is missing; the file has {listed}{hint}"
        return ValidationError(msg, field=ours)


class CsvTable:
    """The rows of one CSV file below its header."""

    def __init__(
        self,
        path: Path,
        groups: Sequence[Sequence[CsvColumn]],
        *,
        either: Sequence[str] = (),
        encodings: Sequence[str] = (),
        delimiter: str = ",",
    ) -> None:
        """Read the file and its header: ``groups`` are the columns that are read, of ``either`` one must be there.

        Raises ValidationError with the path when the file cannot be read or lacks a column; its ``field`` is ours.
        """
        self._groups, self._either = groups, either
        content = _read_content(path)
        try:
            self.decoded = decode_text(content, encodings)
            text, delimiter = _delimited(self.decoded, delimiter)
            records = read_records(text, delimiter)
            self._header, self._records = self._find_header(records)
        except ValidationError as error:
            raise ValidationError(f"{path}: {error.message}.", field=error.facts.get("field")) from error

    @property
    def names(self) -> Sequence[str]:
        """The names in the header."""
        return self._header.names

    def __iter__(self) -> Iterator[CsvRecord]:
        """Every record below the header that is not blank; a header that is repeated counts from there on."""
        names = {name for column in self._groups[0] if column.required for name in column.theirs}
        names |= {f"\ufeff{name}" for name in names}
        for each in self._records:
            record = each if each.sound is None else each.with_width(len(self._header.names))
            cells, first = record.cells, self._header.first
            cell = cells[first] if len(cells) > first else ""
            if not cell or cell.isspace() or cell[0] in END_OF_TEXT:
                is_row = not _is_blank(record)
            else:
                is_row = cell.strip() not in names or not self._is_header(record)
            if is_row:
                yield record

    def excess(self, record: CsvRecord) -> str:
        """What is wrong with a record that has more cells than the header and not only blank ones."""
        width = len(self._header.names)
        if len(record.cells) <= width or not any(map(str.strip, record.cells[width:])):
            return ""
        return f"the row has {len(record.cells)} cells, the header {width}"

    def pick(self, record: CsvRecord, group: int = 0) -> PickedCells:
        """The cells of a group of columns in a record, without spaces around them."""
        cells, (names, places, take) = record.cells, self._header.groups[group]
        try:
            picked = dict(zip(names, map(str.strip, take(cells)), strict=False))
        except IndexError:
            return self._pick_short(record, names, places)
        damaged = self._take_strays(picked) if self.decoded.has_strays else SOUND
        if record.damaged:
            damaged = {**damaged, **_take_unquoted(picked, names, places, record.damaged)}
        return PickedCells(picked, damaged, ())

    def _pick_short(self, record: CsvRecord, names: Sequence[str], places: Sequence[int]) -> PickedCells:
        cells = record.cells
        located = list(zip(names, places, strict=True))
        picked = {name: cells[place].strip() for name, place in located if place < len(cells)}
        absent = tuple(name for name, place in located if place >= len(cells))
        damaged = self._take_strays(picked) if self.decoded.has_strays else {}
        if record.sound is None:
            return PickedCells(picked, damaged, absent)
        return PickedCells(picked, {**damaged, **dict.fromkeys(absent, "the quotes of the line do not close")}, ())

    def _take_strays(self, picked: dict[str, str]) -> dict[str, str]:
        """Take the cells with bytes that the file's encoding does not have out, and say so for each."""
        strays = {name: stray for name, cell in picked.items() if (stray := STRAY.search(cell))}
        for name in strays:
            del picked[name]
        encoding = self.decoded.encoding
        return {
            name: f"byte 0x{ord(stray[0]) - 0xDC00:02X} is not {encoding}; a mapping can declare another encoding"
            for name, stray in strays.items()
        }

    def _find_header(self, records: Iterator[CsvRecord]) -> tuple[TableHeader, Iterator[CsvRecord]]:
        """The header, which may stand below a title and blank lines, and the records below it."""
        present = (record for record in records if not _is_blank(record))
        tried = list(islice(present, TITLE_LINES))
        refused: ValidationError | None = None
        for number, record in enumerate(tried):
            try:
                return self._bind(record), chain(tried[number + 1 :], present)
            except ValidationError as error:
                refused = refused or error
        raise refused or self._refuse_empty()

    def _refuse_empty(self) -> ValidationError:
        try:
            TableHeader([], self._groups, self._either)
        except ValidationError as error:
            return error
        return ValidationError("the file has no columns", field="PATH")

    def _bind(self, record: CsvRecord) -> TableHeader:
        if record.sound is not None:
            raise ValidationError(f"line {record.line}: the quotes of the line do not close", field="PATH")
        return TableHeader(record.cells, self._groups, self._either)

    def _is_header(self, record: CsvRecord) -> bool:
        try:
            self._header = self._bind(record)
        except ValidationError:
            return False
        return True


def _taker(places: Sequence[int]) -> Callable[[Sequence[str]], Iterable[str]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda cells: [cells[place] for place in places]


def _take_unquoted(
    picked: dict[str, str], names: Sequence[str], places: Sequence[int], damaged: Sequence[int]
) -> dict[str, str]:
    """Take the cells at these places of the row out, and say so for each that is among the picked ones."""
    taken = [name for name, place in zip(names, places, strict=True) if place in damaged and name in picked]
    for name in taken:
        del picked[name]
    return dict.fromkeys(taken, "text follows the closing quote of the cell")


def _is_blank(record: CsvRecord) -> bool:
    return record.sound is None and not any(cell.strip().strip(END_OF_TEXT) for cell in record.cells)


def _delimited(decoded: DecodedText, delimiter: str) -> tuple[str, str]:
    """The text and what parts its cells, which its first line may say."""
    first = decoded.text[: len(_DECLARED_DELIMITER) + 3]
    if not first.lower().startswith(_DECLARED_DELIMITER) or "\n" not in first.replace("\r", "\n"):
        return decoded.text, delimiter
    declared = first[len(_DECLARED_DELIMITER)]
    return decoded.text[len(_DECLARED_DELIMITER) + 1 :], declared


def _read_content(path: Path) -> bytes:
    """The bytes of the file, unpacked if it is gzip. Raises ValidationError naming the line that was reached."""
    chunks: list[bytes] = []
    size = 0
    with open_regular(path) as raw:
        file = gzip.GzipFile(fileobj=raw) if path.name.lower().endswith(".gz") else raw
        try:
            while chunk := file.read(CHUNK):
                chunks.append(chunk)
                size += len(chunk)
                if size > MOST_BYTES:
                    raise ValidationError(f"{path}: larger than {MOST_BYTES >> 20} MiB; split it.", field="PATH")
        except (OSError, EOFError, zlib.error) as error:
            line = sum(chunk.count(b"\n") for chunk in chunks) + 1
            raise ValidationError(f"{path}: line {line}: cannot be read further: {error}.", field="PATH") from error
    content = b"".join(chunks)
    for mark, kind in _FOREIGN.items():
        if content.startswith(mark):
            raise ValidationError(f"{path}: is {kind}.", field="PATH")
    return content

"""A backup file: gzipped JSON lines, the same for every kind of database.

The first line describes the file. Then each table's name is followed by its rows, one array per line in order of the
primary key. The last line has the number of rows of each table and the SHA-256 over their lines. The same content gives
the same digests on every database. A file without its last line is incomplete.

A file is read as one from elsewhere: every line has a largest length, and the tables come in the order of the first
line, so that no file takes much memory, however it unpacks.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic import ValidationError as InvalidContentError

from core.errors import ConflictError, DataIntegrityError, ValidationError
from core.files.atomic import atomic_file

FORMAT: Final = 1
LONGEST_ROW: Final = 2**24
"""Longest line of a row [bytes]."""

LONGEST_MARK: Final = 2**18
"""Longest line of another kind [bytes]."""

UNREADABLE: Final = (OSError, EOFError, zlib.error)
"""What reading a damaged gzip file raises."""

Name = Annotated[str, Field(min_length=1, max_length=64)]


class Header(BaseModel):
    """The first line: the schema's revision, the time of the backup, and each table's columns."""

    model_config = ConfigDict(frozen=True, strict=True)

    format: Literal[1] = FORMAT
    revision: Annotated[str, Field(min_length=1, max_length=32)]
    created_at: AwareDatetime
    tables: Mapping[Name, Sequence[Name]]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "revision": self.revision,
            "created_at": self.created_at.isoformat(),
            "tables": self.tables,
        }


class _TableMark(BaseModel):
    """The line before a table's rows."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    table: Name


class Totals(BaseModel):
    """The last line: the number of rows of each table, and the SHA-256 over their lines."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    rows: Mapping[str, int]
    sha256: Mapping[str, str]


Mark = TypeVar("Mark", _TableMark, Totals)


@dataclass
class Tally:
    """The number of a table's lines so far, and their digest."""

    rows: int = 0
    digest: Any = field(default_factory=sha256)

    def add(self, line: bytes) -> None:
        self.rows += 1
        self.digest.update(line)


def write_backup(
    path: Path, header: Header, tables: Iterable[tuple[str, Iterable[Sequence[object]]]]
) -> dict[str, int]:
    """Write the rows of each table in the given order; returns their numbers.

    The file appears whole or not at all. Raises ValidationError if it exists or cannot be written, DataIntegrityError
    for a row longer than ``LONGEST_ROW``.
    """
    _must_be_free(path)
    try:
        with atomic_file(path, mode=0o600) as file:
            counts = _write_tables(file, header, tables)
            _must_be_free(path)
    except OSError as error:
        raise ValidationError(f"FILE: {path} cannot be written: {error}.", field="FILE") from error
    return counts


def _must_be_free(path: Path) -> None:
    if path.exists():
        msg = f"FILE: {path} exists already; a backup overwrites nothing."
        raise ValidationError(msg, hint="Choose another file, or move the existing one.", field="FILE")


def _write_tables(
    file: IO[bytes], header: Header, tables: Iterable[tuple[str, Iterable[Sequence[object]]]]
) -> dict[str, int]:
    tallies = {name: Tally() for name in header.tables}
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed:
        packed.write(_line(header.to_json()))
        for name, rows in tables:
            packed.write(_line({"table": name}))
            for row in rows:
                line = _line(row)
                if len(line) > LONGEST_ROW:
                    msg = f"A row of {name} takes {len(line):,} bytes; a backup holds rows up to {LONGEST_ROW:,}."
                    raise DataIntegrityError(msg, table=name)
                tallies[name].add(line)
                packed.write(line)
        packed.write(_line(_totals(tallies).model_dump()))
    return {name: tally.rows for name, tally in tallies.items()}


def _line(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _totals(tallies: Mapping[str, Tally]) -> Totals:
    return Totals(
        rows={name: tally.rows for name, tally in tallies.items()},
        sha256={name: tally.digest.hexdigest() for name, tally in tallies.items()},
    )


def read_header(path: Path) -> Header:
    """The first line.

    Raises DataIntegrityError for a file that is no backup, ConflictError for an unknown format, ValidationError for a
    file that does not exist.
    """
    if not path.is_file():
        raise ValidationError(f"FILE: there is no file {path}.", field="FILE")
    with gzip.open(path, "rb") as lines:
        return _header(path, lines)


def read_rows(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every row as its table's name and its line, the tables in the order of the header.

    Raises DataIntegrityError naming the table where the file is damaged or ends, at the latest after the last row.
    """
    with gzip.open(path, "rb") as lines:
        header = _header(path, lines)
        tallies = {name: Tally() for name in header.tables}
        to_come, table = list(reversed(tallies)), "the header"
        totals: Totals | None = None
        for line in _lines(path, lines, tallies):
            if totals is not None:
                raise _damaged(path, "the last line", "something follows it")
            if not line.endswith(b"\n"):
                raise _damaged(path, table, "the file ends there")
            if line.startswith(b"["):
                if table not in tallies:
                    raise _damaged(path, table, "a row of no table follows it")
                tallies[table].add(line)
                yield table, line
            elif to_come:
                expected = to_come.pop()
                if _mark(path, table, line, _TableMark).table != expected:
                    raise _damaged(path, table, f"the table {expected} does not follow it")
                table = expected
            else:
                totals = _mark(path, table, line, Totals)
    if totals is None:
        raise _damaged(path, table, "the file ends there")
    _compare(path, tallies, totals)


def _lines(path: Path, lines: gzip.GzipFile, tallies: Mapping[str, Tally]) -> Iterator[bytes]:
    """The lines after the first, none longer than a row may be."""
    while True:
        try:
            line = lines.readline(LONGEST_ROW + 1)
        except UNREADABLE as error:
            raise _damaged(path, _last(tallies), str(error) or type(error).__name__) from error
        if not line:
            return
        if len(line) > (LONGEST_ROW if line.startswith(b"[") else LONGEST_MARK):
            raise _damaged(path, _last(tallies), "a line is too long")
        yield line


def _last(tallies: Mapping[str, Tally]) -> str:
    """The last table of which rows were read."""
    return next((name for name in reversed(list(tallies)) if tallies[name].rows), "the header")


def _mark(path: Path, table: str, line: bytes, kind: type[Mark]) -> Mark:
    try:
        return kind.model_validate_json(line)
    except InvalidContentError as error:
        raise _damaged(path, table, "a line after it cannot be read") from error


def _compare(path: Path, tallies: Mapping[str, Tally], expected: Totals) -> None:
    actual = _totals(tallies)
    for name in tallies:
        for measure, here, there in (
            ("rows", actual.rows, expected.rows),
            ("sha256", actual.sha256, expected.sha256),
        ):
            if here.get(name) != there.get(name):
                raise _damaged(path, name, f"{measure} is {here.get(name)}, expected {there.get(name)}")


def _header(path: Path, lines: gzip.GzipFile) -> Header:
    try:
        line = lines.readline(LONGEST_MARK + 1)
        return Header.model_validate_json(line)
    except InvalidContentError as error:
        formats = [item["input"] for item in error.errors() if item["loc"] == ("format",)]
        if formats and type(formats[0]) is int:
            msg = f"{path} is a backup of format {formats[0]}; this code reads format {FORMAT}."
            raise ConflictError(msg, hint="Restore it with the code that wrote it.") from error
        raise _no_backup(path) from error
    except UNREADABLE as error:
        raise _no_backup(path) from error


def _no_backup(path: Path) -> DataIntegrityError:
    msg = f"{path} is not a backup of this service: its first line cannot be read."
    return DataIntegrityError(msg, table="the header")


def _damaged(path: Path, table: str, reason: str) -> DataIntegrityError:
    msg = f"{path} is damaged at {table}: {reason}."
    return DataIntegrityError(msg, hint="Nothing was restored; use another backup.", table=table)

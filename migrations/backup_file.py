"""A backup as a file: gzipped JSON lines that any of our databases can be filled from.

The first line says what the file holds, then each table's name is followed by its rows, one array a line in
order of the primary key, and the last line counts the rows of each table and gives the SHA-256 over their
lines. The same content gives the same digests on every database. A file without its last line is not whole.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from core.atomic_file import atomic_file
from core.errors import ConflictError, DataIntegrityError, ValidationError

FORMAT: Final = 1


@dataclass(frozen=True)
class Header:
    """What a backup holds: the schema's revision, when it was made, and each table's columns."""

    revision: str
    created_at: datetime
    tables: Mapping[str, Sequence[str]]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "revision": self.revision,
            "created_at": self.created_at.isoformat(),
            "tables": self.tables,
        }


@dataclass
class Tally:
    """How many lines a table has so far, and their digest."""

    rows: int = 0
    digest: Any = field(default_factory=sha256)

    def add(self, line: bytes) -> None:
        self.rows += 1
        self.digest.update(line)


def write_backup(
    path: Path, header: Header, tables: Iterable[tuple[str, Iterable[Sequence[object]]]]
) -> dict[str, int]:
    """Write the rows of each table, in the order given; returns how many there were.

    The file appears whole or not at all. Raises ValidationError when it exists or cannot be written.
    """
    _must_be_free(path)
    try:
        with atomic_file(path, mode=0o600) as file:
            counts = _written(file, header, tables)
            _must_be_free(path)
    except OSError as error:
        raise ValidationError(f"FILE: {path} cannot be written: {error}.", field="FILE") from error
    return counts


def _must_be_free(path: Path) -> None:
    if path.exists():
        msg = f"FILE: {path} is already there; a backup overwrites nothing."
        raise ValidationError(msg, hint="Name another file, or move that one away.", field="FILE")


def _written(
    file: IO[bytes], header: Header, tables: Iterable[tuple[str, Iterable[Sequence[object]]]]
) -> dict[str, int]:
    tallies = {name: Tally() for name in header.tables}
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed:
        packed.write(_line(header.to_json()))
        for name, rows in tables:
            packed.write(_line({"table": name}))
            for row in rows:
                line = _line(row)
                tallies[name].add(line)
                packed.write(line)
        packed.write(_line(_totals(tallies)))
    return {name: tally.rows for name, tally in tallies.items()}


def _line(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _totals(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    return {
        "rows": {name: tally.rows for name, tally in tallies.items()},
        "sha256": {name: tally.digest.hexdigest() for name, tally in tallies.items()},
    }


def verify_backup(path: Path) -> tuple[Header, dict[str, int]]:
    """Read the whole file; returns its header and the rows per table.

    Raises DataIntegrityError naming the table at which the file is damaged or breaks off, ConflictError for a
    format that this code does not know, ValidationError for a file that is not there.
    """
    if not path.is_file():
        raise ValidationError(f"FILE: there is no file {path}.", field="FILE")
    with gzip.open(path, "rb") as lines:
        header = _header(path, lines)
    counts = dict.fromkeys(header.tables, 0)
    for name, _row in read_rows(path):
        counts[name] += 1
    return header, counts


def read_rows(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every row as its table's name and its line, checked as they pass: the last step raises if one was damaged."""
    with gzip.open(path, "rb") as lines:
        tallies = {name: Tally() for name in _header(path, lines).tables}
        table, totals = "the header", None
        try:
            for line in lines:
                if totals is not None:
                    raise _damaged(path, "the last line", "something follows it")
                if line.startswith(b"["):
                    tallies[table].add(line)
                    yield table, line
                    continue
                mark = json.loads(line)
                table, totals = mark.get("table", table), None if "table" in mark else mark
        except (OSError, EOFError, zlib.error, ValueError, KeyError, AttributeError) as error:
            raise _damaged(path, table, str(error) or type(error).__name__) from error
    if totals is None:
        raise _damaged(path, table, "the file breaks off there")
    _compare(path, tallies, totals)


def _compare(path: Path, tallies: Mapping[str, Tally], totals: Mapping[str, Any]) -> None:
    found = _totals(tallies)
    for name in tallies:
        for measure in ("rows", "sha256"):
            expected = totals.get(measure, {}).get(name)
            if found[measure][name] != expected:
                raise _damaged(path, name, f"{measure} is {found[measure][name]}, written was {expected}")


def _header(path: Path, lines: gzip.GzipFile) -> Header:
    try:
        content = json.loads(lines.readline())
        if content["format"] != FORMAT:
            msg = f"{path} is a backup of format {content['format']}; this code reads format {FORMAT}."
            raise ConflictError(msg, hint="Restore it with the code that wrote it.")
        return Header(content["revision"], datetime.fromisoformat(content["created_at"]), content["tables"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        msg = f"{path} is not a backup of ours: its first line cannot be read."
        raise DataIntegrityError(msg, table="the header") from error


def _damaged(path: Path, table: str, reason: str) -> DataIntegrityError:
    msg = f"{path} is damaged at {table}: {reason}."
    return DataIntegrityError(msg, hint="Nothing was restored; use another backup.", table=table)

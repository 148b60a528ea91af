"""A backup file: gzipped JSON lines, the same for every kind of database.

The first line describes the file. Then each table's name is followed by its rows, one array per line in order of the
primary key. The last line has the number of rows of each table and the SHA-256 over their lines. The same content gives
the same digests on every database. A file without its last line is incomplete.
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
    """The first line: the schema's revision, the time of the backup, and each table's columns."""

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

    The file appears whole or not at all. Raises ValidationError if it exists or cannot be written.
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

    Raises DataIntegrityError naming the table at which the file is damaged or ends, ConflictError for an unknown
    format, ValidationError for a file that does not exist.
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
    """Every row as its table's name and its line. Damage is detected on the way, at the latest after the last row."""
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
        raise _damaged(path, table, "the file ends there")
    _compare(path, tallies, totals)


def _compare(path: Path, tallies: Mapping[str, Tally], totals: Mapping[str, Any]) -> None:
    actual = _totals(tallies)
    for name in tallies:
        for measure in ("rows", "sha256"):
            expected = totals.get(measure, {}).get(name)
            if actual[measure][name] != expected:
                raise _damaged(path, name, f"{measure} is {actual[measure][name]}, expected {expected}")


def _header(path: Path, lines: gzip.GzipFile) -> Header:
    try:
        content = json.loads(lines.readline())
        if content["format"] != FORMAT:
            msg = f"{path} is a backup of format {content['format']}; this code reads format {FORMAT}."
            raise ConflictError(msg, hint="Restore it with the code that wrote it.")
        return Header(content["revision"], datetime.fromisoformat(content["created_at"]), content["tables"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        msg = f"{path} is not a backup of this service: its first line cannot be read."
        raise DataIntegrityError(msg, table="the header") from error


def _damaged(path: Path, table: str, reason: str) -> DataIntegrityError:
    msg = f"{path} is damaged at {table}: {reason}."
    return DataIntegrityError(msg, hint="Nothing was restored; use another backup.", table=table)

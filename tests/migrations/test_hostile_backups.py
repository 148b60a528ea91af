"""A file that somebody made costs a named error and little memory, whatever it unpacks to; nothing is restored."""

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.errors import ConflictError, DataIntegrityError
from migrations import schema
from migrations.backup_file import LONGEST_ROW
from migrations.restore import plan_restore, restore
from migrations.tables import METADATA
from tests.migrations.filled import contents, fill

MEGABYTE = 2**20
MOST_MEMORY = 12 * LONGEST_ROW
ALIASES = "team_aliases"
TABLES = {table.name: table.columns.keys() for table in METADATA.sorted_tables}
HEADER = {"format": 1, "revision": schema.head(), "created_at": "2024-05-01T12:00:00+00:00", "tables": TABLES}
ALIAS = ["soccer", "EPL", "Spurs", "Tottenham", "test", "2024-05-01T12:00:00+00:00", None, None]


def line(content: object) -> bytes:
    return json.dumps(content).encode() + b"\n"


def lines_with(rows: list[bytes], table: str = ALIASES) -> Iterator[bytes]:
    """A backup whose digests are right and whose only rows are these."""
    yield line(HEADER)
    for name in TABLES:
        yield line({"table": name})
        if name == table:
            yield from rows
    digests = {name: sha256(b"".join(rows) if name == table else b"").hexdigest() for name in TABLES}
    yield line({"rows": {name: len(rows) if name == table else 0 for name in TABLES}, "sha256": digests})


def written(path: Path, lines: Iterator[bytes]) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.writelines(lines)
    return path


def test_such_a_file_is_restored_if_its_rows_are_sound(sqlite_database: Engine, tmp_path: Path) -> None:
    restore(sqlite_database, written(tmp_path / "b.gz", lines_with([line(ALIAS)])), replace=False)
    assert [row[3] for row in contents(sqlite_database)[ALIASES]] == ["Tottenham"]


def repeated(block: bytes, megabytes: int) -> Iterator[bytes]:
    return (block for _ in range(megabytes * MEGABYTE // len(block)))


def bomb_in_the_header() -> Iterator[bytes]:
    yield b'{"format":1,"revision":"'
    yield from repeated(b"0" * MEGABYTE, 300)


def bomb_in_a_row() -> Iterator[bytes]:
    yield line(HEADER)
    yield line({"table": next(iter(TABLES))})
    yield b'["'
    yield from repeated(b"0" * MEGABYTE, 300)


def bomb_of_nested_arrays() -> Iterator[bytes]:
    yield from lines_with([b"[" + b"[]," * (LONGEST_ROW // 3 - 9) + b"[]]\n"])


def bomb_of_numbers() -> Iterator[bytes]:
    yield from lines_with([b"[" + b"1," * (LONGEST_ROW // 2 - 9) + b"1]\n"])


def bomb_of_marks() -> Iterator[bytes]:
    yield line(HEADER)
    yield from repeated(line({"table": next(iter(TABLES))}), 5)


def bomb_of_zeros() -> Iterator[bytes]:
    return repeated(b"\x00" * MEGABYTE, 300)


def deep_row() -> Iterator[bytes]:
    return lines_with([b"[" * 50_000 + b"]" * 50_000 + b"\n"])


def deep_header() -> Iterator[bytes]:
    yield b'{"format":1,"tables":' + b"[" * 100_000 + b"\n"


@pytest.mark.parametrize(
    "bomb",
    [
        bomb_in_the_header, bomb_in_a_row, bomb_of_nested_arrays, bomb_of_numbers, bomb_of_marks, bomb_of_zeros,
        deep_row, deep_header,
    ],
)  # fmt: skip
def test_what_unpacks_to_much_takes_little_memory(
    bomb: Callable[[], Iterator[bytes]], sqlite_database: Engine, tmp_path: Path
) -> None:
    path = written(tmp_path / "bomb.gz", bomb())
    tracemalloc.start()
    try:
        with pytest.raises(DataIntegrityError):
            plan_restore(sqlite_database, path)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("alias", None), ("alias", 5), ("alias", ["x"]), ("alias", "half of a \ud800"), ("alias", True),
        ("recorded_at", "2024-05-01T12:00:00"), ("recorded_at", "yesterday"), ("recorded_at", 1714564800),
        ("recorded_at", ""),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_named_by_row_and_column(
    column: str, value: Any, sqlite_database: Engine, tmp_path: Path
) -> None:
    fill(sqlite_database, rows=1)
    before = contents(sqlite_database)
    wrong = [value if name == column else held for name, held in zip(TABLES[ALIASES], ALIAS, strict=True)]
    path = written(tmp_path / "b.gz", lines_with([line(ALIAS), line(wrong)]))
    with pytest.raises(DataIntegrityError, match=rf"team_aliases is damaged at its row 2: {column} holds no value"):
        restore(sqlite_database, path, replace=True)
    assert contents(sqlite_database) == before


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("version", 2**63), ("version", 1.5), ("version", True), ("version", "1"), ("version", 10**4_000),
        ("shadow", "false"), ("shadow", 1), ("p_home", "0.5"), ("p_home", False), ("p_home", []), ("p_home", "NaN"),
    ],
)  # fmt: skip
def test_numbers_and_switches_are_no_guesses(column: str, value: Any, sqlite_database: Engine, tmp_path: Path) -> None:
    table = "prediction_log" if column == "shadow" else "prediction_answers"
    row = [value if name == column else None for name in TABLES[table]]
    row = ["x" if item is None else item for item in row]
    path = written(tmp_path / "b.gz", lines_with([line(row)], table))
    with pytest.raises(DataIntegrityError, match=f"{table} is damaged at its row 1"):
        restore(sqlite_database, path, replace=False)


@pytest.mark.parametrize(
    "header",
    [
        [], "x", 5, None, {}, {**HEADER, "tables": []}, {**HEADER, "tables": {"a": 5}}, {**HEADER, "tables": {"": []}},
        {**HEADER, "created_at": "2024-05-01T12:00:00"}, {**HEADER, "created_at": 5}, {**HEADER, "revision": None},
        {**HEADER, "revision": "x" * 40}, {**HEADER, "tables": {**TABLES, "mysql.user": ["user"]}},
        {**HEADER, "tables": {**TABLES, ALIASES: ["sport", "league"]}}, {**HEADER, "tables": {}},
        {**HEADER, "revision": "016; DROP TABLE"}, {**HEADER, "revision": "../env"},
    ],
)  # fmt: skip
def test_a_header_of_another_form_is_refused(header: Any, sqlite_database: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "b.gz", iter([line(header)]))
    with pytest.raises((DataIntegrityError, ConflictError)):
        restore(sqlite_database, path, replace=True)


@pytest.mark.parametrize("totals", [[], {"rows": [], "sha256": {}}, {"rows": {}, "sha256": 5}, {"rows": {}}, "x", 1])
def test_a_last_line_of_another_form_is_refused(totals: Any, sqlite_database: Engine, tmp_path: Path) -> None:
    *others, _ = lines_with([line(ALIAS)])
    with pytest.raises(DataIntegrityError):
        restore(sqlite_database, written(tmp_path / "b.gz", iter([*others, line(totals)])), replace=False)


def test_tables_out_of_order_or_twice_are_refused(sqlite_database: Engine, tmp_path: Path) -> None:
    first, second, *others = lines_with([line(ALIAS)])
    for lines in ([first, others[0], second, *others[1:]], [first, second, second, *others], [first, *others]):
        with pytest.raises(DataIntegrityError, match="does not follow"):
            restore(sqlite_database, written(tmp_path / "b.gz", iter(lines)), replace=False)


@given(content=st.binary(max_size=300), packed=st.booleans())
def test_any_bytes_are_a_named_error(sqlite_database: Engine, tmp_path: Path, content: bytes, packed: bool) -> None:
    path = tmp_path / "any.gz"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises((DataIntegrityError, ConflictError)):
        restore(sqlite_database, path, replace=True)


@given(data=st.data())
def test_any_damage_to_a_sound_file_is_a_named_error_or_changes_nothing(
    sqlite_database: Engine, tmp_path: Path, data: st.DataObject
) -> None:
    sound = b"".join(lines_with([line(ALIAS)]))
    place = data.draw(st.integers(0, len(sound) - 1))
    damaged = sound[:place] + data.draw(st.binary(max_size=4)) + sound[place + data.draw(st.integers(0, 3)) :]
    path = tmp_path / "damaged.gz"
    path.write_bytes(gzip.compress(damaged))
    try:
        plan = plan_restore(sqlite_database, path)
    except (DataIntegrityError, ConflictError):
        return
    assert plan.rows[ALIASES] == 1

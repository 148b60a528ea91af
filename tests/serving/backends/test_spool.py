"""Served predictions without a database: on disk, bounded, in order, and afterwards in the table once each."""

import fcntl
import resource
import signal
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.transactions import reading
from core.errors import DatabaseError
from serving.backends.spool import Spool
from serving.predictions.log import PredictionLog
from serving.predictions.tables import predictions
from tests.forked import run_module
from tests.serving.dying_log import POINTS, batch_of, log_over, row, spool_in

LIMIT = 10_000


def logged(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(sa.select(predictions.c.served_id).order_by(predictions.c.id)).scalars())


def drain(spool: Spool) -> list[bytes]:
    spool.rotate()
    lines: list[bytes] = []
    while spool.size():
        with spool.claim_oldest() as file:
            assert file is not None
            lines += file.lines
            file.delete()
    return lines


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.server
def test_a_worker_killed_at_any_step_loses_and_duplicates_nothing_on_disk(
    point: str, sqlite_database: Engine, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    address = sqlite_database.url.render_as_string(hide_password=False)
    child = run_module("tests.serving.dying_log", point, address, str(folder))
    assert child.returncode == -signal.SIGKILL, child.stderr
    on_disk = child.stdout.split()
    successor = log_over(sqlite_database, folder)
    while successor.step():
        pass
    assert successor.spooled() == 0
    ids = logged(sqlite_database)
    assert len(ids) == len(set(ids))
    possible = [*on_disk, f"id-{len(on_disk)}"] if point == "written, not said" else on_disk
    assert ids == possible
    assert len(on_disk) == (15 if point in POINTS[:2] else 30)


def test_lines_come_back_in_the_order_they_were_written_over_many_files(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, 10**6, file_bytes=100)
    lines = [b"line %d" % number for number in range(200)]
    for line in lines:
        assert spool.append([line])
    assert len(list((tmp_path / "spool").iterdir())) > 5
    assert spool.depth() == 200
    assert drain(spool) == lines


def test_a_full_spool_refuses_further_lines_and_the_lost_ones_are_counted(
    sqlite_database: Engine, tmp_path: Path
) -> None:
    log = log_over(sqlite_database, tmp_path, limit=2_000, capacity=5)
    with pytest.MonkeyPatch.context() as patch:

        def fail(*_arguments: object) -> None:
            raise DatabaseError("unavailable")

        patch.setattr(PredictionLog, "_insert", fail)
        for number in range(20):
            log.put_row(row(number))
            log.step()
        kept = log.spooled() + log.depth
        assert 0 < log.spooled() < 10
        dropped = log._metrics.registry.get_sample_value("dbsbm_prediction_log_dropped_total")
        assert dropped == 20 - kept
    while log.step():
        pass
    assert set(logged(sqlite_database)) == {f"id-{number}" for number in range(kept)}


def test_a_peak_goes_to_disk_and_to_the_table_when_the_load_has_gone(
    sqlite_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths_when_drained: list[int] = []
    log = log_over(
        sqlite_database,
        tmp_path,
        capacity=4_000,
        batch_size=500,
        when_drained=lambda: depths_when_drained.append(log.spooled()),
    )

    def served(start: int, count: int) -> None:
        for number in range(start, start + count):
            log.put_row(row(number))

    served(0, 3_000)
    assert not log.step(), "further files are left to the next step"
    assert (log.spooled(), log.depth, logged(sqlite_database)) == (3_000, 0, [])
    served(3_000, 500)
    drain_file = log._drain_file
    monkeypatch.setattr(log, "_drain_file", lambda: drain_file() and not served(3_500, 1))
    assert not log.step(), "a prediction was served meanwhile"
    assert log.spooled() == 0, "one append is one file, however long"
    assert log.depth == 1
    assert depths_when_drained == [0], "memory is released after the peak"
    monkeypatch.undo()
    while log.step():
        pass
    assert log.spooled() == log.depth == 0
    assert sorted(logged(sqlite_database)) == sorted(f"id-{number}" for number in range(3_501))
    assert log._metrics.registry.get_sample_value("dbsbm_prediction_log_dropped_total") == 0


def test_a_peak_that_the_disk_refuses_goes_to_the_table(sqlite_database: Engine, tmp_path: Path) -> None:
    log = log_over(sqlite_database, tmp_path, limit=100, batch_size=10)
    for number in range(45):
        log.put_row(row(number))
    assert not log.step()
    assert (log.spooled(), log.depth) == (0, 0)
    assert sorted(logged(sqlite_database)) == sorted(f"id-{number}" for number in range(45))


def test_a_full_disk_leaves_complete_lines_only(tmp_path: Path) -> None:
    """A limit on file sizes simulates a full disk: it causes the same kind of error in the same call."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    spool = spool_in(tmp_path, 10**6)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
        taken = [line for line in (b"%03d" % n + b"x" * 96 for n in range(25)) if spool.append([line] * 3)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert 0 < len(taken) < 25 or len(list((tmp_path / "spool").iterdir())) > 1
    assert drain(spool) == [line for line in taken for _ in range(3)]


def test_a_file_locked_by_a_living_worker_is_not_read(tmp_path: Path) -> None:
    living, successor = spool_in(tmp_path, LIMIT), spool_in(tmp_path, LIMIT)
    living.append([b"line"])
    with successor.claim_oldest() as file:
        assert file is None
    living.rotate()
    with successor.claim_oldest() as file:
        assert file is not None
        assert file.lines == (b"line",)
        with living.claim_oldest() as other:
            assert other is None


def test_an_unreadable_line_is_counted_and_does_not_stop_the_others(sqlite_database: Engine, tmp_path: Path) -> None:
    log = log_over(sqlite_database, tmp_path)
    log._spool_batch(batch_of(row(0)))
    log._spool._file.write(b'{"half": 1}\nnot json\n[1]\n')  # type: ignore[union-attr]
    log._spool_batch(batch_of(row(1)))
    while log.step():
        pass
    assert logged(sqlite_database) == ["id-0", "id-1"]
    assert log._metrics.registry.get_sample_value("dbsbm_prediction_log_dropped_total") == 3


def test_a_row_that_the_database_refuses_does_not_block_the_spool(mariadb_database: Engine, tmp_path: Path) -> None:
    log = log_over(mariadb_database, tmp_path)
    log._spool_batch(batch_of(row(0), {**row(1), "league": "x" * 500}, row(2)))
    while log.step():
        pass
    assert logged(mariadb_database) == ["id-0", "id-2"]
    assert log.spooled() == 0


def test_a_file_deleted_between_its_creation_and_its_lock_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    taken: list[Path] = []

    def lost_race(file: object, how: int) -> None:
        if not taken:
            taken.extend((tmp_path / "spool").iterdir())
            taken[0].unlink()
        flock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", lost_race)
    spool = spool_in(tmp_path, LIMIT)
    assert spool.append([b"kept"])
    assert drain(spool) == [b"kept"]

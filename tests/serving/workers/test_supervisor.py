"""What is only beside answering does not end it: metrics, log, supervisor and signals, on real processes.

The service of this module runs on a temporary folder that is full, because metrics of several processes are often kept
in files there.
"""

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from core.database.transactions import reading
from serving.predictions.tables import predictions
from tests.serving.conftest import World
from tests.serving.processes import Served, served
from tests.serving.service import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]

GAME = "/v1/predictions/soccer/EPL/EPL-102"
WORKERS = 2
PAUSED_ANSWERS = 3_000
"""More lines of the log than a pipe and the queue's share of a test hold."""


@contextmanager
def full_folder() -> Iterator[Path]:
    """A mounted folder without a free byte. Skips the test where mounting is not allowed."""
    with tempfile.TemporaryDirectory(prefix="full-") as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=False)
        if mounted.returncode:
            pytest.skip("mounting is not allowed here")
        try:
            with (Path(folder) / "filler").open("wb", buffering=0) as filler:
                while True:
                    try:
                        filler.write(b"x" * 4096)
                    except OSError:
                        break
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="module")
def running(shared_world: World) -> Iterator[Served]:
    with full_folder() as folder, served(shared_world, workers=WORKERS, TMPDIR=str(folder)) as service:
        wait_for_workers(service)
        yield service


def counted(running: Served, name: str = "dbsbm_requests_total") -> float:
    lines = running.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


def wait_for_workers(running: Served, *without: int) -> None:
    def complete() -> bool:
        return len(running.workers()) == WORKERS and not set(without) & set(running.workers())

    eventually(complete, 90)
    eventually(lambda: all(running.get(GAME).status_code == 200 for _ in range(20)), 60)


def test_counters_never_decrease_while_workers_are_killed(running: Served) -> None:
    for _ in range(3):
        victim = running.workers()[0]
        assert running.get(GAME).status_code == 200
        shown = counted(running)
        os.kill(victim, signal.SIGKILL)
        while victim in running.workers():
            with suppress(httpx.HTTPError):  # the connection may have been the dying worker's
                assert counted(running) >= shown
        wait_for_workers(running, victim)
        assert counted(running) >= shown
    assert mapped_files(running) == []
    assert counted(running, "dbsbm_log_lines_dropped_total") == 0


def mapped_files(running: Served) -> list[str]:
    """Files below the temporary folder that a worker has mapped into its memory."""
    maps = [Path(f"/proc/{worker}/maps").read_text() for worker in running.workers()]
    return [line for text in maps for line in text.splitlines() if "/full-" in line]


def test_a_paused_reader_of_the_log_stops_nothing_and_its_losses_are_counted_and_logged(running: Served) -> None:
    running.reader.pause()
    statuses = {running.get(GAME).status_code for _ in range(20)}
    with httpx.Client(base_url=running.url, timeout=10) as client:
        statuses |= {client.get(GAME).status_code for _ in range(PAUSED_ANSWERS)}
    assert statuses == {200}
    assert {running.get("/healthz").status_code for _ in range(20)} == {200}
    workers = running.workers()
    running.reader.resume()
    wait_for_workers(running)
    assert running.workers() == workers
    eventually(lambda: running.said.read_text(errors="replace").count("generation=") >= PAUSED_ANSWERS)


def test_a_worker_whose_event_loop_hangs_is_replaced(running: Served) -> None:
    victim = running.workers()[0]
    shown = counted(running)
    os.kill(victim, signal.SIGSTOP)
    wait_for_workers(running, victim)
    assert {running.get(GAME).status_code for _ in range(20)} == {200}
    assert counted(running) >= shown
    assert f"worker={victim}" in running.said.read_text()


def test_signals_without_a_meaning_change_nothing(running: Served) -> None:
    workers = running.workers()
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
        for process in (running.process.pid, *workers):
            os.kill(process, number)
    for worker in workers:
        os.kill(worker, signal.SIGHUP)  # as a closed terminal sends it to the whole group
    assert {running.get(GAME).status_code for _ in range(50)} == {200}
    assert running.workers() == workers


def test_a_hang_up_replaces_the_workers_and_no_request_fails(running: Served) -> None:
    old, statuses, stopping = set(running.workers()), [], threading.Event()

    def call() -> None:
        while not stopping.is_set():
            statuses.append(running.get(GAME).status_code)

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    shown = counted(running)
    running.process.send_signal(signal.SIGHUP)
    try:
        wait_for_workers(running, *old)
    finally:
        stopping.set()
        for caller in callers:
            caller.join()
    assert set(statuses) == {200}
    assert counted(running) >= shown + len(statuses)


def test_killing_the_supervisor_ends_its_workers_and_they_lose_nothing(world: World) -> None:
    with served(world, workers=WORKERS) as running:
        wait_for_workers(running)
        sent = sum(running.get(GAME).status_code == 200 for _ in range(40))
        before, workers = counted(running, "dbsbm_predictions_total"), running.workers()
        running.process.kill()
        eventually(lambda: not any(is_alive(worker) for worker in workers), 30)
    assert sent == 40
    with reading(world.engine) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(predictions)).scalar_one() == before


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and that its parent has not waited for yet does not."""
    try:
        return re.search(r"^State:\s+[ZX]", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE) is None
    except OSError:
        return False

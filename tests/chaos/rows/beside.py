"""Rows F24 to F26: faults of what is only beside answering: the temporary folder, the log's reader, the supervisor."""

import os
import re
import signal
import time
from pathlib import Path

from tests.chaos.history import broken_invariants
from tests.chaos.outcome import Outcome, row
from tests.chaos.rows.disk import fill_disk, small_disk
from tests.chaos.rows.redis import phase
from tests.chaos.stage import Stage, Watch, until
from tests.chaos.traffic import Answer
from tests.serving.processes import Served

WORKERS = 2
KILOBYTES = 64
STOP_SECONDS = 8.0
"""A stop takes less, whatever hangs."""


@row("F24", "TMPDIR on a tmpfs of 64 KB that is full, workers killed meanwhile; then the folder is gone altogether")
def temporary_folder_full(stage: Stage, scale: float, outcome: Outcome) -> None:
    with small_disk(KILOBYTES) as disk:
        (disk / "tmp").mkdir()
        with stage.beside(workers=WORKERS, TMPDIR=str(disk / "tmp")) as served:
            until(lambda: stage.ask("/readyz", port=served.port)[0] == 200)
            fill_disk(disk)
            shown, alive = [], served.workers()
            with stage.load(port=served.port) as load:
                time.sleep(phase(scale))
                same = served.workers() == alive
                killed_at = time.monotonic()
                shown.append(stage.metric("dbsbm_requests_total", served.port))
                _replaced(served, lambda: os.kill(served.workers()[0], signal.SIGKILL))
                shown.append(stage.metric("dbsbm_requests_total", served.port))
                (disk / "tmp").rmdir()
                time.sleep(phase(scale))
                shown.append(stage.metric("dbsbm_requests_total", served.port))
            history = broken_invariants(stage, load.answers, allowed=(0, 200), lost=len(_near(load.answers, killed_at)))
    whole = [answer for answer in load.answers if answer not in _near(load.answers, killed_at)]
    outcome.traffic(whole, within=200, bare=load.bare)
    outcome.report(f"requests counted: {', '.join(f'{count:.0f}' for count in shown)}")
    outcome.expect(same, "a worker died")
    outcome.expect(shown == sorted(shown), f"a counter decreased: {shown}")
    outcome.wrong += history


def _near(answers: list[Answer], moment: float) -> list[Answer]:
    """Answers that a worker killed at that moment may not have given or logged."""
    return [answer for answer in answers if moment - 1.0 < answer.due < moment + 0.5]


def _replaced(served: Served, end: object) -> float:
    """Call ``end``, which ends a worker; return the seconds until as many others run."""
    before = set(served.workers())
    end()  # type: ignore[operator]
    return until(lambda: len(served.workers()) == len(before) and bool(set(served.workers()) - before), 60)


@row(
    "F25",
    "the reader of the log pauses, at LOG_LEVEL=DEBUG; then it reads again; a worker's event loop hangs (SIGSTOP)",
)
def log_reader_paused(stage: Stage, scale: float, outcome: Outcome) -> None:
    with stage.beside(workers=WORKERS, LOG_LEVEL="DEBUG") as served:
        until(lambda: stage.ask("/readyz", port=served.port)[0] == 200)
        alive = served.workers()
        with stage.load(port=served.port, rate=200) as load, Watch(stage, "/healthz", port=served.port) as health:
            time.sleep(phase(scale) / 2)
            served.reader.pause()
            time.sleep(phase(scale, 60.0))
            served.reader.resume()
            time.sleep(phase(scale) / 2)
        same = served.workers() == alive
        lines, dropped = (
            stage.log(served).count('"request_id"'),
            stage.metric("dbsbm_log_lines_dropped_total", served.port),
        )
        history = broken_invariants(stage, load.answers)
        replaced = _replaced(served, lambda: os.kill(served.workers()[0], signal.SIGSTOP))
    outcome.traffic(load.answers, within=200, bare=load.bare)
    outcome.report(
        f"/healthz p100 {max(seconds for _, seconds, _, _ in health.seen) * 1e3:.0f} ms; {lines} lines logged, {dropped:.0f} dropped and counted; the hanging worker was replaced after {replaced:.1f} s"
    )
    outcome.expect({status for _, _, status, _ in health.seen} == {200}, "/healthz failed")
    outcome.expect(same, "a worker died while the reader paused")
    outcome.expect(replaced <= 30, "the hanging worker was not replaced")
    outcome.wrong += history


@row("F26", "`kill -9` of the supervisor; SIGHUP under load; SIGTERM while a worker, the log's reader and MySQL hang")
def supervisor_killed(stage: Stage, scale: float, outcome: Outcome) -> None:
    with stage.beside(workers=WORKERS) as served:
        until(lambda: stage.ask("/readyz", port=served.port)[0] == 200)
        old = set(served.workers())
        with stage.load(port=served.port) as load:
            served.process.send_signal(signal.SIGHUP)
            rolled = until(lambda: len(served.workers()) == WORKERS and not old & set(served.workers()), 90)
            time.sleep(1)
        workers = served.workers()
        served.process.kill()
        ended = until(lambda: not any(map(_runs, workers)), 30)
        history = broken_invariants(stage, load.answers)
    with stage.beside(workers=WORKERS) as served:
        until(lambda: stage.ask("/readyz", port=served.port)[0] == 200)
        with stage.load(port=served.port, rate=50):
            served.reader.pause()
            os.kill(served.workers()[0], signal.SIGSTOP)
            with stage.database_unavailable(certain=False):
                stage.database.process.send_signal(signal.SIGSTOP)
                time.sleep(0.5)
                began = time.monotonic()
                served.process.terminate()
                served.process.wait(60)
                stopped = time.monotonic() - began
                stage.database.process.send_signal(signal.SIGCONT)
        served.reader.resume()
    outcome.traffic(load.answers, within=1_000, bare=load.bare)
    outcome.report(
        f"all workers replaced after {rolled:.1f} s; the workers of a killed supervisor ended after {ended:.1f} s; SIGTERM took {stopped:.1f} s with everything hanging"
    )
    outcome.expect(rolled < float("inf"), "SIGHUP did not replace the workers")
    outcome.expect(ended < STOP_SECONDS, f"the workers ran for {ended:.1f} s after the supervisor")
    outcome.expect(stopped < STOP_SECONDS, f"SIGTERM took {stopped:.1f} s, {STOP_SECONDS:.0f} allowed")
    outcome.wrong += history


def _runs(pid: int) -> bool:
    try:
        return re.search(r"^State:\s+[ZX]", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE) is None
    except OSError:
        return False

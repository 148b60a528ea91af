"""Row F23: a full disk under SERVING_DIR."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from core.database.transactions import reading
from serving.predictions.tables import predictions
from tests.chaos.history import broken_invariants
from tests.chaos.outcome import Outcome, row
from tests.chaos.rows.load import flood
from tests.chaos.rows.redis import phase
from tests.chaos.stage import Stage, until

KILOBYTES = 1024
CONNECTIONS = 64


@contextmanager
def small_disk(kilobytes: int = KILOBYTES) -> Iterator[Path]:
    """Mount a small tmpfs. Raises CalledProcessError without root, who alone may mount."""
    with tempfile.TemporaryDirectory(prefix="small-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@row(
    "F23",
    "spool, last-good files and bundles on a tmpfs of 1 MB that is full while MySQL is down; then both are restored",
)
def disk_full(stage: Stage, scale: float, outcome: Outcome) -> None:
    champion = stage.offline.champion(stage.models.changes[-1].version).version.bundle_sha256
    with small_disk() as disk:
        subprocess.run(["cp", "-r", str(stage.world.store / champion), str(disk)], check=True)
        overrides = {"BUNDLE_DIR": str(disk), "SERVING_DIR": str(disk / "serving"), "LOG_LEVEL": "WARNING"}
        with stage.beside(**overrides) as served:
            until(lambda: stage.ask("/readyz", port=served.port)[0] == 200)
            logged = _logged(stage)
            with stage.database_unavailable():
                stage.before_database.down()
                fill_disk(disk)
                with stage.load(port=served.port) as load:
                    time.sleep(phase(scale))
                floods = _until_dropped(stage, served.port)
                level = stage.ask(f"/v1/predictions/{load.answers[0].game}", port=served.port)
            (disk / "filler").unlink()
            stage.before_database.up()
            drained = until(lambda: _waiting(stage, served.port) == 0, 60)
            dropped = stage.metric("dbsbm_prediction_log_dropped_total", served.port)
            accepted = sum(answer.status == 200 for answer in load.answers) + sum(floods) + 1
            missing = accepted - (_logged(stage) - logged) - dropped
            history = broken_invariants(stage, load.answers)
            left = [path.name for path in (disk / "serving").rglob("*") if path.name.startswith(".")]
    outcome.traffic(load.answers, within=200, bare=load.bare)
    outcome.report(
        f"{accepted} served, {dropped:.0f} dropped and counted, {missing:.0f} unaccounted; drained {drained:.1f} s after"
    )
    outcome.expect(level[0] == 200, f"an answer with status {level[0]} while the disk was full")
    outcome.expect(dropped > 0, "nothing was dropped: the disk was not full")
    # When wrk ends, it does not wait for the answers to its last questions.
    outcome.expect(
        abs(missing) <= CONNECTIONS * len(floods),
        f"{missing:.0f} served predictions are neither logged nor counted as dropped",
    )
    outcome.expect(not left, f"half files were left: {left[:3]}")
    outcome.wrong += history


def fill_disk(disk: Path) -> None:
    """Write until no byte fits any more."""
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"x" * 4096)


def _until_dropped(stage: Stage, port: int) -> list[int]:
    """Send requests until the log's queue in memory is full as well; return the successful answers of each burst."""
    floods = []
    while stage.metric("dbsbm_prediction_log_dropped_total", port) == 0 and len(floods) < 20:
        floods.append(flood(stage, CONNECTIONS, 5, port, afresh=False).statuses[200])
    return floods


def _waiting(stage: Stage, port: int) -> float:
    return stage.metric("dbsbm_prediction_log_depth", port) + stage.metric("dbsbm_prediction_spool_depth", port)


def _logged(stage: Stage) -> int:
    with reading(stage.engine) as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(predictions)) or 0

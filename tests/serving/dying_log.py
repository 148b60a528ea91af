"""A prediction log that kills itself with SIGKILL at a point named on the command line, its database unavailable until then."""

import os
import signal
import sys
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from sqlalchemy.engine import make_url

from core.database.engines import open_database
from core.errors import DatabaseError
from core.signing import Signer
from serving.backends.spool import Spool
from serving.backends.spool_census import SERVING_OPENING
from serving.backends.spool_files import PURPOSE, SpoolFile
from serving.backends.state_dir import StateFolder
from serving.predictions.log import (
    ANSWER_COLUMNS,
    SERVING_COLUMNS,
    AnswerColumns,
    LogBatch,
    PredictionLog,
)
from serving.telemetry.metrics import Metrics
from tests.conftest import NOW

POINTS = ("line half written", "written, not said", "spooled", "half drained", "drained, not deleted", "deleted")
ROWS = 30
SIGNER = Signer(b"tests", PURPOSE)


def row(number: int) -> AnswerColumns:
    """A prediction as the tables hold it."""
    game = {
        "answer_id": f"a{number % 7}",
        "sport": "soccer",
        "league": "EPL",
        "game_id": f"g{number % 7}",
        "model": "EPL-results",
        "version": 1,
    }
    numbers = {"p_home": 0.5, "p_draw": 0.3, "p_away": 0.2, "margin": 0.1, "total": 2.5}
    who = {"served_id": f"id-{number}", "request_id": f"r{number}", "key_id": None, "cache": "local", "shadow": False}
    return {**game, **numbers, **who, "features": "f" * 64, "as_of": NOW, "served_at": NOW}


def batch_of(*rows: AnswerColumns) -> LogBatch:
    """Rows with all columns of both tables."""
    batch = LogBatch([], {})
    for given in rows:
        serving = [given[name] for name in SERVING_COLUMNS]
        batch.servings.append(orjson.dumps(serving, option=orjson.OPT_UTC_Z))
        batch.answers[given["answer_id"]] = {name: given[name] for name in ANSWER_COLUMNS}
    return batch


class _Answered(NamedTuple):
    answer_id: str


class RowLog(PredictionLog):
    """A log that is given rows."""

    def put_row(self, given: AnswerColumns) -> None:
        (serving,), rows = batch_of(given)
        if self.depth < self._capacity:
            self._columns.update(rows)
            self._queue.append((serving, _Answered(given["answer_id"])))  # type: ignore[arg-type]
        else:
            self._metrics.log_dropped.inc()


def spool_in(state: Path, limit: int = 10**6, **options: Any) -> Spool:
    """A spool below a state folder."""
    return Spool(lambda: StateFolder(state, is_confirmed=True), SIGNER, limit, **options)


def log_over(engine: Any, state: Path, *, limit: int = 10**6, capacity: int = 1_000, **options: Any) -> RowLog:
    spool = spool_in(state, limit, file_bytes=2_000, counted_prefix=SERVING_OPENING)
    return RowLog(engine, spool, Metrics(), lambda: StateFolder(state, is_confirmed=True), capacity, **options)


def dies(owner: Any, name: str, *, before: bool = False) -> None:
    honest = getattr(owner, name)

    def last(*given: Any) -> Any:
        if not before:
            honest(*given)
        return os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, last)


def half(_spool: Spool, file: FileIO, _before: int, content: bytes) -> None:
    file.write(content[: len(content) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def main(point: str, database: str, folder: Path) -> None:
    log = log_over(open_database(make_url(database)), folder)
    honest = PredictionLog._insert

    def unavailable(*_given: Any) -> None:
        raise DatabaseError("unavailable")

    PredictionLog._insert = unavailable  # type: ignore[method-assign]
    for number in range(ROWS):
        if number == ROWS // 2 and point == "line half written":
            Spool._write = half  # type: ignore[method-assign]
        if number == ROWS // 2 and point == "written, not said":
            dies(Spool, "_write")
        log.put_row(row(number))
        log.step()
        print(f"id-{number}", flush=True)
    if point == "spooled":
        os.kill(os.getpid(), signal.SIGKILL)
    PredictionLog._insert = honest  # type: ignore[method-assign]
    match point:
        case "half drained":
            log._batch_size = 2
            dies(PredictionLog, "_insert")
        case "drained, not deleted":
            dies(SpoolFile, "delete", before=True)
        case "deleted":
            dies(SpoolFile, "delete")
    while log.step():
        pass


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

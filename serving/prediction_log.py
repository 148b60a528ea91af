"""Every served prediction, written to the database behind the answers' back."""

from dataclasses import dataclass
from datetime import datetime
from queue import Empty, Full, Queue
from typing import Any, Final

import orjson
from sqlalchemy.engine import Engine

from core.database import insert_new, writing
from core.errors import DatabaseError
from core.logs import get_logger
from serving.answers import Served
from serving.metrics import Metrics
from serving.tables import predictions

CAPACITY: Final = 100_000
"""Predictions that wait for a database that is away; some 60 MB at most. What comes on top is counted and lost."""

BATCH: Final = 1_000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One served prediction: to whom, when, and what."""

    served: Served
    request_id: str
    served_at: datetime
    key_id: str | None


class PredictionLog:
    """A bounded queue in front of the table. ``put`` never waits; ``step`` belongs to a thread of its own."""

    def __init__(self, engine: Engine, metrics: Metrics, capacity: int = CAPACITY) -> None:
        self._engine = engine
        self._metrics = metrics
        self._queue: Queue[Entry] = Queue(capacity)
        self._batch: list[Entry] = []

    def put(self, entry: Entry) -> None:
        """Keep a prediction for writing; counted as dropped if too many wait already."""
        try:
            self._queue.put_nowait(entry)
        except Full:
            self._metrics.log_dropped.inc()

    @property
    def depth(self) -> int:
        """Predictions that are not in the database yet."""
        return self._queue.qsize() + len(self._batch)

    def step(self) -> bool:
        """Write one batch; True if there is more. A batch that could not be written is kept and tried again.

        Writing the same batch twice changes nothing, so a connection lost between commit and answer does no harm.
        """
        self._fill_batch()
        if not self._batch:
            return False
        try:
            with writing(self._engine) as connection:
                insert_new(connection, predictions, [_row(entry) for entry in self._batch])
        except DatabaseError:
            return False
        self._batch = []
        return not self._queue.empty()

    def flush(self) -> None:
        """Write all that waits, at the end of the process; what the database does not take is counted and said."""
        while self.step():
            pass
        if self.depth:
            self._metrics.log_dropped.inc(self.depth)
            log.warning("the database is away; served predictions were not logged", count=self.depth)

    def _fill_batch(self) -> None:
        while len(self._batch) < BATCH:
            try:
                self._batch.append(self._queue.get_nowait())
            except Empty:
                return


def _row(entry: Entry) -> dict[str, Any]:
    served = entry.served
    body = orjson.loads(served.body)
    return {
        "request_id": entry.request_id,
        "served_at": entry.served_at,
        "sport": served.row.sport,
        "league": served.row.league,
        "game_id": served.row.game.game_id,
        "model": served.champion.model,
        "version": served.champion.version.version,
        "features": served.champion.manifest.fingerprint,
        "as_of": served.row.as_of,
        "p_home": body["probabilities"]["home"],
        "p_draw": body["probabilities"]["draw"],
        "p_away": body["probabilities"]["away"],
        "margin": body["expected"]["margin"],
        "total": body["expected"]["total"],
        "cache": served.level,
        "key_id": entry.key_id,
    }

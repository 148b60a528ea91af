"""Every served prediction, written to the database behind the answers' back; to a spool on disk while that is away.

What was said and to whom are two tables: the same answer is given again and again.

A prediction is in memory for a quarter of a second, then in the table or on the disk. Each has an id of its own, so
that writing it twice changes nothing: a process may die between any two steps, and the next one does the step again.
"""

from collections import deque
from datetime import datetime
from hashlib import sha256
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sa
from cachetools import LRUCache
from sqlalchemy.engine import Engine

from core.bulk_insert import insert_new_tuples
from core.database import UtcDateTime, writing
from core.errors import DatabaseError
from core.logs import get_logger
from serving.answers import Served
from serving.metrics import Metrics
from serving.spool import Spool
from serving.tables import answers, predictions
from serving.trace import new_id

CAPACITY: Final = 100_000
"""Predictions that wait in memory where neither database nor disk takes them; some 60 MB at most."""

BATCH: Final = 1_000
REMEMBERED: Final = 5_000
"""Answers whose columns are remembered, and that are known to be in their table: popular ones are given often."""

OF_ANSWER: Final = tuple(str(column.name) for column in answers.columns)
OF_SERVING: Final = ("served_id", "answer_id", "request_id", "served_at", "cache", "key_id", "shadow")
COLUMNS: Final = frozenset((*OF_ANSWER, *OF_SERVING))
MOMENTS: Final = tuple(
    column.name for table in (answers, predictions) for column in table.columns if isinstance(column.type, UtcDateTime)
)
ANSWER_IN_ORDER: Final = itemgetter(*OF_ANSWER)
SERVING_IN_ORDER: Final = itemgetter(*OF_SERVING)

log = get_logger(__name__)

Columns = dict[str, Any]


class Row(NamedTuple):
    """One served prediction as the tables hold it."""

    serving: tuple[Any, ...]
    """In the order of ``OF_SERVING``."""
    answer: Columns
    """By name; rows of the same answer share it."""

    @property
    def columns(self) -> Columns:
        """All of it by name."""
        return {**self.answer, **dict(zip(OF_SERVING, self.serving, strict=True))}

    @classmethod
    def of(cls, columns: Columns) -> "Row":
        """From all its columns."""
        return cls(SERVING_IN_ORDER(columns), {name: columns[name] for name in OF_ANSWER})


class Entry(NamedTuple):
    """One served prediction: to whom, when, and what; a ``shadow`` is what a challenger would have answered."""

    served: Served
    request_id: str
    served_at: datetime
    key_id: str | None
    shadow: bool = False


class PredictionLog:
    """A bounded queue in front of the table. ``put`` never waits; ``step`` belongs to a thread of its own."""

    def __init__(self, engine: Engine, spool: Spool, metrics: Metrics, capacity: int = CAPACITY) -> None:
        self._engine = engine
        self._spool = spool
        self._metrics = metrics
        self._capacity = capacity
        self._queue: deque[Entry] = deque()
        self._batch: list[Row] = []
        self._said: dict[tuple[bytes, datetime], Columns] = {}
        self._in_table: LRUCache[str, None] = LRUCache(REMEMBERED)

    def put(self, entry: Entry) -> None:
        """Keep a prediction for writing; counted as dropped if too many wait already."""
        if len(self._queue) < self._capacity:
            self._queue.append(entry)
        else:
            self._metrics.log_dropped.inc()

    @property
    def depth(self) -> int:
        """Predictions in memory: neither in the database nor on the disk yet."""
        return len(self._queue) + len(self._batch)

    @property
    def _is_behind(self) -> bool:
        """Whether another whole batch waits: transactions of a few rows each would cost more than what is answered."""
        return len(self._queue) >= BATCH

    def spooled(self) -> int:
        """Predictions on the disk of this machine, whichever worker served them."""
        return self._spool.depth()

    def step(self) -> bool:
        """Bring one batch into the table or onto the disk, and a file from there into the table; True if there is more.

        What neither takes is kept in memory and tried again.
        """
        self._fill_batch()
        if not self._batch or self._written(self._batch):
            self._batch = []
            return self._drain() or self._is_behind
        if self._put_aside(self._batch):
            self._batch = []
            return self._is_behind
        return False

    def flush(self) -> None:
        """Bring all that waits to where it is kept, at the end of the process; what nobody takes is counted."""
        self._fill_batch()
        while self._batch and (self._written(self._batch) or self._put_aside(self._batch)):
            self._batch = []
            self._fill_batch()
        self._spool.seal()
        if self.depth:
            self._metrics.log_dropped.inc(self.depth)
            log.warning("neither database nor disk takes them; served predictions were not logged", count=self.depth)

    def _fill_batch(self) -> None:
        while self._queue and len(self._batch) < BATCH:
            self._batch.append(self._row(self._queue.popleft()))

    def _row(self, entry: Entry) -> Row:
        served, request_id, served_at, key_id, shadow = entry
        answer = self._answer(served)
        return Row((new_id(), answer["answer_id"], request_id, served_at, served.level, key_id, shadow), answer)

    def _answer(self, served: Served) -> Columns:
        """What is the same each time this very answer is given."""
        what = served.body, served.row.as_of
        answer = self._said.get(what)
        if answer is None:
            if len(self._said) >= REMEMBERED:
                self._said.clear()
            answer = self._said[what] = _columns(served)
        return answer

    def _written(self, batch: list[Row]) -> bool:
        try:
            self._insert(batch)
        except DatabaseError as error:
            self._in_table.clear()
            if not _refused(error):
                return False
            return all(self._written_alone(row) for row in batch)
        return True

    def _written_alone(self, row: Row) -> bool:
        """Write a row of a batch that the database, though it answers, would not take; drop it if it is the reason."""
        try:
            self._insert([row])
        except DatabaseError as error:
            if not _refused(error):
                return False
            self._metrics.log_dropped.inc()
            log.warning("the database refuses a served prediction", reason=error.message)
        return True

    def _insert(self, batch: list[Row]) -> None:
        told = {row.answer["answer_id"]: row.answer for row in batch}
        new = {answer_id: answer for answer_id, answer in told.items() if answer_id not in self._in_table}
        with writing(self._engine) as connection:
            insert_new_tuples(connection, answers, OF_ANSWER, [ANSWER_IN_ORDER(answer) for answer in new.values()])
            insert_new_tuples(connection, predictions, OF_SERVING, [row.serving for row in batch])
        self._in_table.update(dict.fromkeys(new))

    def _put_aside(self, batch: list[Row]) -> bool:
        if not self._spool.append([orjson.dumps(row.columns) for row in batch]):
            return False
        self._metrics.log_spooled.inc(len(batch))
        return True

    def _drain(self) -> bool:
        """Write the oldest file's predictions into the table and delete it; True if that was done."""
        if not self._spool.size():
            return False
        self._spool.seal()
        with self._spool.oldest() as file:
            if file is None:
                return False
            rows = [row for row in map(_read, file.lines) if row is not None]
            for start in range(0, len(rows), BATCH):
                if not self._written(rows[start : start + BATCH]):
                    return False
            file.delete()
        if damaged := len(file.lines) - len(rows):
            self._metrics.log_dropped.inc(damaged)
            log.warning("lines of the spool are no predictions", file=file.path.name, count=damaged)
        self._metrics.log_drained.inc(len(rows))
        return True


def _refused(error: DatabaseError) -> bool:
    """Whether the database answers and will never take these rows."""
    return isinstance(error.__cause__, sa.exc.DataError | sa.exc.IntegrityError)


def _read(line: bytes) -> Row | None:
    """A row as ``_put_aside`` wrote it; None for anything else."""
    try:
        row = orjson.loads(line)
        if row.keys() != COLUMNS:
            return None
        return Row.of({**row, **{name: datetime.fromisoformat(row[name]) for name in MOMENTS}})
    except (ValueError, TypeError, AttributeError):
        return None


def _columns(served: Served) -> Columns:
    """What the table of answers holds of this one."""
    body = orjson.loads(served.body)
    return {
        "answer_id": sha256(served.body + served.row.as_of.isoformat().encode()).hexdigest()[:32],
        "sport": served.row.sport,
        "league": served.row.league,
        "game_id": served.row.game.game_id,
        "model": served.model,
        "version": served.version,
        "features": served.features,
        "as_of": served.row.as_of,
        "p_home": body["probabilities"]["home"],
        "p_draw": body["probabilities"]["draw"],
        "p_away": body["probabilities"]["away"],
        "margin": body["expected"]["margin"],
        "total": body["expected"]["total"],
    }

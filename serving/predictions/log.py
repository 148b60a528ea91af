"""Every served prediction, written to the database in the background.

The answer and its serving are two tables: the same answer is given again and again. While the database is unavailable,
and while predictions come faster than one batch in a quarter of a second, they go to a spool on disk instead: a peak
leaves the database to the bot, which needs it then, and the processors to the answers (docs/decisions/0045).

A prediction is in memory for a quarter of a second, then in the table or on the disk. Each has an id of its own, so
that writing it twice changes nothing: a process may die between any two steps, and the next one repeats the step.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sa
from cachetools import LRUCache
from sqlalchemy.engine import Engine

from core.bulk_insert import insert_new_json, insert_new_tuples
from core.database import writing
from core.errors import DatabaseError, DataIntegrityError
from core.logs import get_logger
from serving.backends.spool import Spool
from serving.predictions.answer import Answer
from serving.predictions.tables import answers, predictions
from serving.runtime.heap import release_free_memory
from serving.telemetry.metrics import Metrics
from serving.telemetry.trace import new_id

CAPACITY: Final = 100_000
"""Predictions that wait in memory where neither database nor disk takes them; some 60 MB at most."""

BATCH: Final = 2_000
"""Servings in one transaction; where more wait at once, they are a peak."""

REMEMBERED: Final = 5_000
"""Answers whose columns are remembered, and that are known to be in their table: popular ones are given often."""

OF_ANSWER: Final = tuple(str(column.name) for column in answers.columns)
OF_SERVING: Final = ("shadow", "cache", "key_id", "served_at", "served_id", "request_id", "answer_id")
ANSWER_IN_ORDER: Final = itemgetter(*OF_ANSWER)
ANSWER_ID: Final = OF_SERVING.index("answer_id")
OPENING: Final = b"["
"""Of a line of the spool that is a serving, not an answer that servings refer to."""

log = get_logger(__name__)

AnswerColumns = dict[str, Any]
Serving = bytes
"""To whom and when: a JSON array in the order of ``OF_SERVING``, made where it is served. The database and the spool
take it as it is; a row that a thread makes keeps the interpreter's lock from the event loop."""


class LogBatch(NamedTuple):
    """Served predictions on their way to the tables."""

    servings: list[Serving]
    answers: dict[str, AnswerColumns]
    """What they refer to, by answer id."""

    def lines(self) -> list[bytes]:
        """Return the batch for the spool: a line for each answer, then one for each serving."""
        return [*map(orjson.dumps, self.answers.values()), *self.servings]

    def parts(self, most: int) -> Iterator["LogBatch"]:
        """Yield parts of so many servings at most, each with what it refers to."""
        if len(self.servings) <= most:
            yield self
            return
        for start in range(0, len(self.servings), most):
            servings = self.servings[start : start + most]
            answer_ids = {orjson.loads(serving)[ANSWER_ID] for serving in servings}
            yield LogBatch(servings, {answer_id: self.answers[answer_id] for answer_id in answer_ids})


class PredictionLog:
    """A bounded queue in front of the table. ``put`` never waits; ``step`` belongs to a thread of its own."""

    def __init__(
        self,
        engine: Engine,
        spool: Spool,
        metrics: Metrics,
        capacity: int = CAPACITY,
        batch_size: int = BATCH,
        when_drained: Callable[[], None] = release_free_memory,
    ) -> None:
        """``batch_size``: servings in one transaction; ``when_drained`` is called when the spool has become empty."""
        self._engine = engine
        self._spool = spool
        self._metrics = metrics
        self._capacity = capacity
        self._batch_size = batch_size
        self._when_drained = when_drained
        self._queue: deque[tuple[Serving, Answer]] = deque()
        self._batch = LogBatch([], {})
        self._columns: dict[str, AnswerColumns] = {}
        self._in_table: LRUCache[str, None] = LRUCache(REMEMBERED)

    def put(
        self, answer: Answer, request_id: str, served_at: datetime, key_id: str | None, *, shadow: bool = False
    ) -> None:
        """Keep a prediction for writing; counted as dropped if too many wait already.

        ``shadow`` marks a forecast of a challenger that was not served.
        """
        if self.depth < self._capacity:
            serving = shadow, answer.level, key_id, served_at, new_id(), request_id, answer.answer_id
            # A copy: what orjson returns keeps its several times larger working buffer alive.
            self._queue.append((bytes(memoryview(orjson.dumps(serving, option=orjson.OPT_UTC_Z))), answer))
        else:
            self._metrics.log_dropped.inc()

    @property
    def depth(self) -> int:
        """Predictions in memory: neither in the database nor on the disk yet."""
        return len(self._queue) + len(self._batch.servings)

    def spooled(self) -> int:
        """Return how many predictions are on the disk of this machine, whichever worker served them."""
        return self._spool.depth()

    def step(self) -> bool:
        """Bring what waits into the table or onto the disk, and a file from there into the table; True if more waits.

        What neither takes is kept in memory and tried again. A file waits until no request came meanwhile, or for the
        next step.
        """
        self._collect()
        if len(self._batch.servings) > self._batch_size:
            if not self._empty_batch(self._spool_batch):
                self._empty_batch(self._insert_batch)
            return False
        if self._empty_batch(self._insert_batch):
            return self._drain_file() and not self._queue
        self._empty_batch(self._spool_batch)
        return False

    def flush(self) -> None:
        """Bring all that waits to where it is kept, at the end of the process; what neither takes is counted."""
        self._collect()
        if not self._empty_batch(self._insert_batch):
            self._empty_batch(self._spool_batch)
        self._spool.rotate()
        if self.depth:
            self._metrics.log_dropped.inc(self.depth)
            log.warning("served predictions were not logged: database and disk unavailable", count=self.depth)

    def _collect(self) -> None:
        """Move the queue into the batch."""
        taken = [self._queue.popleft() for _ in range(len(self._queue))]
        self._batch.servings.extend([serving for serving, _ in taken])
        for answer in {answer for _, answer in taken}:
            self._batch.answers[answer.answer_id] = self._columns_of(answer)

    def _empty_batch(self, into: Callable[[LogBatch], bool]) -> bool:
        """Bring the batch there; False if that did not take it."""
        if self._batch.servings and not into(self._batch):
            return False
        self._batch = LogBatch([], {})
        return True

    def _columns_of(self, answer: Answer) -> AnswerColumns:
        """What is the same each time this very answer is given."""
        columns = self._columns.get(answer.answer_id)
        if columns is None:
            if len(self._columns) >= REMEMBERED:
                self._columns.clear()
            columns = self._columns[answer.answer_id] = _answer_columns(answer)
        return columns

    def _insert_batch(self, batch: LogBatch) -> bool:
        return all(self._insert_part(part) for part in batch.parts(self._batch_size))

    def _insert_part(self, part: LogBatch) -> bool:
        """Write all rows in one transaction; row by row if the database, though it answers, refuses one of them."""
        try:
            self._insert(part)
        except (DatabaseError, DataIntegrityError) as error:
            self._in_table.clear()
            if not _is_refusal(error):
                return False
            return all(self._insert_single(single) for single in part.parts(1))
        return True

    def _insert_single(self, single: LogBatch) -> bool:
        """Write one row; drop it if it is the one that the database refuses."""
        try:
            self._insert(single)
        except (DatabaseError, DataIntegrityError) as error:
            if not _is_refusal(error):
                return False
            self._metrics.log_dropped.inc()
            log.warning("the database refuses a served prediction", reason=error.message)
        return True

    def _insert(self, batch: LogBatch) -> None:
        new = {answer_id: columns for answer_id, columns in batch.answers.items() if answer_id not in self._in_table}
        with writing(self._engine) as connection:
            insert_new_tuples(connection, answers, OF_ANSWER, [ANSWER_IN_ORDER(columns) for columns in new.values()])
            insert_new_json(connection, predictions, OF_SERVING, batch.servings)
        self._in_table.update(dict.fromkeys(new))

    def _spool_batch(self, batch: LogBatch) -> bool:
        if not self._spool.append(batch.lines()):
            return False
        self._metrics.log_spooled.inc(len(batch.servings))
        return True

    def _drain_file(self) -> bool:
        """Write the oldest file's predictions into the table and delete it; True if that was done."""
        if not self._spool.size():
            return False
        self._spool.rotate()
        with self._spool.claim_oldest() as file:
            if file is None:
                return False
            batch, damaged = _parse(file.lines)
            if not self._insert_batch(batch):
                return False
            file.delete()
        if not self._spool.size():
            self._when_drained()
        if damaged:
            self._metrics.log_dropped.inc(damaged)
            log.warning("spool has lines that are no predictions", file=file.path.name, count=damaged)
        self._metrics.log_drained.inc(len(batch.servings))
        return True


def _is_refusal(error: DatabaseError | DataIntegrityError) -> bool:
    """Whether the database answers and will never take these rows, or never could."""
    return isinstance(error, DataIntegrityError) or isinstance(
        error.__cause__, sa.exc.DataError | sa.exc.IntegrityError
    )


def _parse(lines: Iterable[bytes]) -> tuple[LogBatch, int]:
    """Return what ``LogBatch.lines`` wrote, and how many lines are damaged."""
    batch, damaged = LogBatch([], {}), 0
    for line in lines:
        try:
            _parse_line(line, batch)
        except (ValueError, TypeError, LookupError):
            damaged += 1
    return batch, damaged


def _parse_line(line: bytes, batch: LogBatch) -> None:
    content = orjson.loads(line)
    if isinstance(content, dict):
        columns = {name: content[name] for name in OF_ANSWER}
        batch.answers[columns["answer_id"]] = {**columns, "as_of": datetime.fromisoformat(columns["as_of"])}
        return
    serving = dict(zip(OF_SERVING, content, strict=True))
    if serving["answer_id"] not in batch.answers:
        raise LookupError(serving["answer_id"])
    datetime.fromisoformat(serving["served_at"])
    batch.servings.append(line)


def _answer_columns(answer: Answer) -> AnswerColumns:
    """What the table of answers holds of this one."""
    body = orjson.loads(answer.body)
    return {
        "answer_id": answer.answer_id,
        "sport": answer.row.sport,
        "league": answer.row.league,
        "game_id": answer.row.game.game_id,
        "model": answer.model,
        "version": answer.version,
        "features": answer.features,
        "as_of": answer.row.as_of,
        "p_home": body["probabilities"]["home"],
        "p_draw": body["probabilities"]["draw"],
        "p_away": body["probabilities"]["away"],
        "margin": body["expected"]["margin"],
        "total": body["expected"]["total"],
    }

"""The prediction log: every served prediction, written to the database in the background.

Answers and servings are two tables, because the same answer is served many times. While the database is unavailable,
and while more than one batch arrives in a quarter of a second, predictions go to a spool on disk first: during a peak
the bot needs the database, and requests need the processors (docs/decisions/0045).

A prediction is in memory for a quarter of a second, then in the tables or on disk. Each has its own id, so that writing
it twice changes nothing: a process may die between any two steps, and the next process repeats the step.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sa
from cachetools import LRUCache
from sqlalchemy.engine import Engine

from core.database.bulk_insert import insert_new_json, insert_new_tuples
from core.database.transactions import writing
from core.errors import DatabaseError, DataIntegrityError
from core.logs import get_logger
from serving.backends.spool import Spool
from serving.backends.spool_files import SpoolFile
from serving.backends.state_dir import StateFolder
from serving.predictions.answer import Answer
from serving.predictions.tables import answers, predictions
from serving.runtime.heap import release_free_memory
from serving.telemetry.metrics import Metrics
from serving.telemetry.trace import new_id

CAPACITY: Final = 100_000
"""Most predictions in memory while neither database nor disk accepts them; about 60 MB."""

BATCH: Final = 2_000
"""Servings in one transaction; more waiting at once are a peak."""

REMEMBERED: Final = 5_000
"""Answers whose columns are cached, and answers that are recorded as written: popular ones are served often."""

ANSWER_COLUMNS: Final = tuple(str(column.name) for column in answers.columns)
SERVING_COLUMNS: Final = ("shadow", "cache", "key_id", "served_at", "served_id", "request_id", "answer_id")
ANSWER_IN_ORDER: Final = itemgetter(*ANSWER_COLUMNS)
ANSWER_ID: Final = SERVING_COLUMNS.index("answer_id")
log = get_logger(__name__)

AnswerColumns = dict[str, Any]
Serving = bytes
"""A row of the log's table: a JSON array in the order of ``SERVING_COLUMNS``, encoded when the answer is served.
Database and spool take it unchanged; encoding in a thread would take the interpreter's lock from the event loop."""


class LogBatch(NamedTuple):
    """Served predictions that are to be written."""

    servings: list[Serving]
    answers: dict[str, AnswerColumns]
    """The answers that they refer to, by answer id."""

    def lines(self) -> list[bytes]:
        """Return the batch as lines of the spool: one for each answer, then one for each serving."""
        return [*map(orjson.dumps, self.answers.values()), *self.servings]

    def parts(self, most: int) -> Iterator["LogBatch"]:
        """Yield parts of at most that many servings, each with the answers that it refers to."""
        if len(self.servings) <= most:
            yield self
            return
        for start in range(0, len(self.servings), most):
            servings = self.servings[start : start + most]
            answer_ids = {orjson.loads(serving)[ANSWER_ID] for serving in servings}
            yield LogBatch(servings, {answer_id: self.answers[answer_id] for answer_id in answer_ids})


class PredictionLog:
    """A bounded queue before the tables. ``put`` never waits; ``step`` runs in a separate thread."""

    def __init__(
        self,
        engine: Engine,
        spool: Spool,
        metrics: Metrics,
        confirm: Callable[[], StateFolder],
        capacity: int = CAPACITY,
        batch_size: int = BATCH,
        when_drained: Callable[[], None] = release_free_memory,
    ) -> None:
        """``confirm`` asks the database which folder is its own, or raises DatabaseError.

        ``batch_size``: servings in one transaction. ``when_drained`` is called when the spool has become empty.
        """
        self._engine = engine
        self._spool = spool
        self._metrics = metrics
        self._confirm = confirm
        self._capacity = capacity
        self._batch_size = batch_size
        self._when_drained = when_drained
        self._queue: deque[tuple[Serving, Answer]] = deque()
        self._batch = LogBatch([], {})
        self._columns: dict[str, AnswerColumns] = {}
        self._turn = threading.Lock()
        """Held while the batch is written: the last step may hang while the process ends."""
        self._in_table: LRUCache[str, None] = LRUCache(REMEMBERED)

    def put(
        self, answer: Answer, request_id: str, served_at: datetime, key_id: str | None, *, shadow: bool = False
    ) -> None:
        """Queue a prediction for writing; counted as dropped if the queue is full.

        ``shadow`` marks a challenger's forecast, which was not served.
        """
        if self.depth < self._capacity:
            serving = shadow, answer.level, key_id, served_at, new_id(), request_id, answer.answer_id
            # A copy: the bytes that orjson returns keep its several times larger working buffer alive.
            self._queue.append((bytes(memoryview(orjson.dumps(serving, option=orjson.OPT_UTC_Z))), answer))
        else:
            self._metrics.log_dropped.inc()

    @property
    def depth(self) -> int:
        """Predictions in memory that are neither in the database nor on disk yet."""
        return len(self._queue) + len(self._batch.servings)

    def spooled(self) -> int:
        """Return the number of predictions on this machine's disk, of all workers."""
        return self._spool.depth()

    def step(self) -> bool:
        """Write the queue to the database or to disk, then one file from disk to the database; True if more waits.

        What neither accepts stays in memory for the next step. After a file the step ends with False if predictions
        were served meanwhile.
        """
        with self._turn:
            self._collect()
            if len(self._batch.servings) > self._batch_size:
                if not self._write_batch(self._spool_batch):
                    self._write_batch(self._insert_batch)
                return False
            if self._write_batch(self._insert_batch):
                return self._drain_file() and not self._queue
            self._write_batch(self._spool_batch)
            return False

    def flush(self) -> None:
        """Write everything in memory at the end of the process; what is not accepted counts as dropped."""
        with self._turn:
            self._collect()
            if not self._write_batch(self._insert_batch):
                self._write_batch(self._spool_batch)
            self._spool.rotate()
            if self.depth:
                self._count_lost(self.depth)

    def spool_all(self) -> None:
        """Write a copy of everything in memory to disk, at the end of a process whose ``flush`` hangs in the database.

        What the database has accepted after all is written to it again, which changes nothing.
        """
        waiting = [*self._queue]
        answers = {answer.answer_id: self._columns_of(answer) for answer in {answer for _, answer in waiting}}
        copy = LogBatch(
            [*self._batch.servings, *(serving for serving, _ in waiting)], {**self._batch.answers, **answers}
        )
        spool = self._spool.separate()
        if copy.servings and not spool.append(copy.lines()):
            self._count_lost(len(copy.servings))
        spool.rotate()

    def _count_lost(self, count: int) -> None:
        self._metrics.log_dropped.inc(count)
        log.warning("served predictions were not logged: database and disk unavailable", count=count)

    def _collect(self) -> None:
        """Move the queue into the batch."""
        taken = [self._queue.popleft() for _ in range(len(self._queue))]
        self._batch.servings.extend([serving for serving, _ in taken])
        for answer in {answer for _, answer in taken}:
            self._batch.answers[answer.answer_id] = self._columns_of(answer)

    def _write_batch(self, write: Callable[[LogBatch], bool]) -> bool:
        """Write the batch by the given function; False if that did not accept it."""
        if self._batch.servings and not write(self._batch):
            return False
        self._batch = LogBatch([], {})
        return True

    def _columns_of(self, answer: Answer) -> AnswerColumns:
        """Return the columns of the answer, cached by its id."""
        columns = self._columns.get(answer.answer_id)
        if columns is None:
            if len(self._columns) >= REMEMBERED:
                self._columns.clear()
            columns = self._columns[answer.answer_id] = _answer_columns(answer)
        return columns

    def _insert_batch(self, batch: LogBatch) -> bool:
        return all(self._insert_part(part) for part in batch.parts(self._batch_size))

    def _insert_part(self, part: LogBatch) -> bool:
        """Write all rows in one transaction; row by row if the database rejects one of them."""
        try:
            self._insert(part)
        except (DatabaseError, DataIntegrityError) as error:
            self._in_table.clear()
            if not _is_refusal(error):
                return False
            return all(self._insert_single(single) for single in part.parts(1))
        return True

    def _insert_single(self, single: LogBatch) -> bool:
        """Write one row; drop it if the database rejects it."""
        try:
            self._insert(single)
        except (DatabaseError, DataIntegrityError) as error:
            if not _is_refusal(error):
                return False
            self._metrics.log_dropped.inc()
            log.warning("the database rejected a served prediction", reason=error.message)
        return True

    def _insert(self, batch: LogBatch) -> None:
        new = {answer_id: columns for answer_id, columns in batch.answers.items() if answer_id not in self._in_table}
        with writing(self._engine) as connection:
            insert_new_tuples(
                connection, answers, ANSWER_COLUMNS, [ANSWER_IN_ORDER(columns) for columns in new.values()]
            )
            insert_new_json(connection, predictions, SERVING_COLUMNS, batch.servings)
        self._in_table.update(dict.fromkeys(new))

    def _spool_batch(self, batch: LogBatch) -> bool:
        if not self._spool.append(batch.lines()):
            return False
        self._metrics.log_spooled.inc(len(batch.servings))
        return True

    def _drain_file(self) -> bool:
        """Write the oldest file's predictions to the database and delete the file; True if that was done."""
        if not self._spool.size():
            return False
        self._spool.rotate()
        with self._spool.claim_oldest() as file:
            if file is None or not self._is_of_database(file):
                return False
            batch, damaged = _parse(file.lines)
            if not self._insert_batch(batch):
                return False
            damaged += file.refused
            if damaged:
                self._metrics.log_dropped.inc(damaged)
                log.warning("spool file has invalid lines", file=str(file.set_aside()), count=damaged)
            else:
                file.delete()
        if not self._spool.size():
            self._when_drained()
        self._metrics.log_drained.inc(len(batch.servings))
        return True

    def _is_of_database(self, file: SpoolFile) -> bool:
        """Whether the file is in the folder of the database that answers now."""
        try:
            return self._confirm().path in file.path.parents
        except DatabaseError:
            return False


def _is_refusal(error: DatabaseError | DataIntegrityError) -> bool:
    """Whether the database is available and rejects these rows for their content."""
    return isinstance(error, DataIntegrityError) or isinstance(
        error.__cause__, sa.exc.DataError | sa.exc.IntegrityError
    )


def _parse(lines: Iterable[bytes]) -> tuple[LogBatch, int]:
    """Return the batch that ``LogBatch.lines`` wrote, and the number of damaged lines."""
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
        columns = {name: content[name] for name in ANSWER_COLUMNS}
        batch.answers[columns["answer_id"]] = {**columns, "as_of": datetime.fromisoformat(columns["as_of"])}
        return
    serving = dict(zip(SERVING_COLUMNS, content, strict=True))
    if serving["answer_id"] not in batch.answers:
        raise LookupError(serving["answer_id"])
    datetime.fromisoformat(serving["served_at"])
    batch.servings.append(line)


def _answer_columns(answer: Answer) -> AnswerColumns:
    """Return the answer's row of the answers table."""
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

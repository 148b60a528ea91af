"""Every served prediction, written to the database behind the answers' back.

What was said and to whom are two tables: the same answer is given again and again. While the database is away, and
while predictions come faster than a batch in a quarter of a second, they go to a spool on disk instead: a peak leaves
the database to the bot, which needs it then, and the processors to the answers (docs/decisions/0045).

A prediction is in memory for a quarter of a second, then in the table or on the disk. Each has an id of its own, so
that writing it twice changes nothing: a process may die between any two steps, and the next one does the step again.
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
from serving.predictions.answer import Served
from serving.runtime.heap import give_back
from serving.tables import answers, predictions
from serving.telemetry.metrics import Metrics
from serving.telemetry.trace import new_id

CAPACITY: Final = 100_000
"""Predictions that wait in memory where neither database nor disk takes them; some 60 MB at most."""

BATCH: Final = 2_000
"""Servings in one transaction; where more wait at once, they are a flood."""

REMEMBERED: Final = 5_000
"""Answers whose columns are remembered, and that are known to be in their table: popular ones are given often."""

OF_ANSWER: Final = tuple(str(column.name) for column in answers.columns)
OF_SERVING: Final = ("shadow", "cache", "key_id", "served_at", "served_id", "request_id", "answer_id")
ANSWER_IN_ORDER: Final = itemgetter(*OF_ANSWER)
ANSWER_ID: Final = OF_SERVING.index("answer_id")
OPENING: Final = b"["
"""Of a line of the spool that is a served prediction, not an answer that such lines refer to."""

log = get_logger(__name__)

Columns = dict[str, Any]
Serving = bytes
"""To whom and when: a JSON array in the order of ``OF_SERVING``, made where it is served. The database and the spool
take it as it is; a row that a thread makes keeps the loop from the interpreter's lock."""


class Batch(NamedTuple):
    """Served predictions on their way to the tables."""

    servings: list[Serving]
    said: dict[str, Columns]
    """What they refer to, by answer id."""

    def lines(self) -> list[bytes]:
        """For the spool: a line for each answer, then one for each serving."""
        return [*map(orjson.dumps, self.said.values()), *self.servings]

    def parts(self, most: int) -> Iterator["Batch"]:
        """Parts of so many servings at most, each with what it refers to."""
        if len(self.servings) <= most:
            yield self
            return
        for start in range(0, len(self.servings), most):
            servings = self.servings[start : start + most]
            answer_ids = {orjson.loads(serving)[ANSWER_ID] for serving in servings}
            yield Batch(servings, {answer_id: self.said[answer_id] for answer_id in answer_ids})


class PredictionLog:
    """A bounded queue in front of the table. ``put`` never waits; ``step`` belongs to a thread of its own."""

    def __init__(self, engine: Engine, spool: Spool, metrics: Metrics, capacity: int = CAPACITY) -> None:
        self._engine = engine
        self._spool = spool
        self._metrics = metrics
        self._capacity = capacity
        self._queue: deque[tuple[Serving, Served]] = deque()
        self._batch = Batch([], {})
        self._said: dict[str, Columns] = {}
        self._in_table: LRUCache[str, None] = LRUCache(REMEMBERED)

    def put(
        self, served: Served, request_id: str, served_at: datetime, key_id: str | None, *, shadow: bool = False
    ) -> None:
        """Keep a prediction for writing; counted as dropped if too many wait already.

        ``shadow`` is what a challenger would have answered.
        """
        if self.depth < self._capacity:
            serving = shadow, served.level, key_id, served_at, new_id(), request_id, served.answer_id
            # A copy: what orjson returns keeps its several times larger working buffer alive.
            self._queue.append((bytes(memoryview(orjson.dumps(serving, option=orjson.OPT_UTC_Z))), served))
        else:
            self._metrics.log_dropped.inc()

    @property
    def depth(self) -> int:
        """Predictions in memory: neither in the database nor on the disk yet."""
        return len(self._queue) + len(self._batch.servings)

    def spooled(self) -> int:
        """Predictions on the disk of this machine, whichever worker served them."""
        return self._spool.depth()

    def step(self) -> bool:
        """Bring what waits into the table or onto the disk, and a file from there into the table; True if more waits.

        What neither takes is kept in memory and tried again. A file waits until nobody was served meanwhile, or for
        the next step.
        """
        self._take_all()
        if len(self._batch.servings) > BATCH:
            if not self._brought(self._put_aside):
                self._brought(self._written)
            return False
        if self._brought(self._written):
            return self._drain() and not self._queue
        self._brought(self._put_aside)
        return False

    def flush(self) -> None:
        """Bring all that waits to where it is kept, at the end of the process; what nobody takes is counted."""
        self._take_all()
        if not self._brought(self._written):
            self._brought(self._put_aside)
        self._spool.seal()
        if self.depth:
            self._metrics.log_dropped.inc(self.depth)
            log.warning("neither database nor disk takes them; served predictions were not logged", count=self.depth)

    def _take_all(self) -> None:
        taken = [self._queue.popleft() for _ in range(len(self._queue))]
        self._batch.servings.extend([serving for serving, _ in taken])
        for served in {served for _, served in taken}:
            self._batch.said[served.answer_id] = self._columns(served)

    def _brought(self, where: Callable[[Batch], bool]) -> bool:
        """Whether nothing is in the batch any more, all of it being there now."""
        if self._batch.servings and not where(self._batch):
            return False
        self._batch = Batch([], {})
        return True

    def _columns(self, served: Served) -> Columns:
        """What is the same each time this very answer is given."""
        columns = self._said.get(served.answer_id)
        if columns is None:
            if len(self._said) >= REMEMBERED:
                self._said.clear()
            columns = self._said[served.answer_id] = _columns(served)
        return columns

    def _written(self, batch: Batch) -> bool:
        return all(self._written_at_once(part) for part in batch.parts(BATCH))

    def _written_at_once(self, part: Batch) -> bool:
        try:
            self._insert(part)
        except (DatabaseError, DataIntegrityError) as error:
            self._in_table.clear()
            if not _refused(error):
                return False
            return all(self._written_alone(one) for one in part.parts(1))
        return True

    def _written_alone(self, one: Batch) -> bool:
        """Write a row of a batch that the database, though it answers, would not take; drop it if it is the reason."""
        try:
            self._insert(one)
        except (DatabaseError, DataIntegrityError) as error:
            if not _refused(error):
                return False
            self._metrics.log_dropped.inc()
            log.warning("the database refuses a served prediction", reason=error.message)
        return True

    def _insert(self, batch: Batch) -> None:
        new = {answer_id: columns for answer_id, columns in batch.said.items() if answer_id not in self._in_table}
        with writing(self._engine) as connection:
            insert_new_tuples(connection, answers, OF_ANSWER, [ANSWER_IN_ORDER(columns) for columns in new.values()])
            insert_new_json(connection, predictions, OF_SERVING, batch.servings)
        self._in_table.update(dict.fromkeys(new))

    def _put_aside(self, batch: Batch) -> bool:
        if not self._spool.append(batch.lines()):
            return False
        self._metrics.log_spooled.inc(len(batch.servings))
        return True

    def _drain(self) -> bool:
        """Write the oldest file's predictions into the table and delete it; True if that was done."""
        if not self._spool.size():
            return False
        self._spool.seal()
        with self._spool.oldest() as file:
            if file is None:
                return False
            whole, damaged = _read(file.lines)
            if not self._written(whole):
                return False
            file.delete()
        if not self._spool.size():
            give_back()
        if damaged:
            self._metrics.log_dropped.inc(damaged)
            log.warning("lines of the spool are no predictions", file=file.path.name, count=damaged)
        self._metrics.log_drained.inc(len(whole.servings))
        return True


def _refused(error: DatabaseError | DataIntegrityError) -> bool:
    """Whether the database answers and will never take these rows, or never could."""
    return isinstance(error, DataIntegrityError) or isinstance(
        error.__cause__, sa.exc.DataError | sa.exc.IntegrityError
    )


def _read(lines: Iterable[bytes]) -> tuple[Batch, int]:
    """What ``Batch.lines`` wrote, and how many lines are none of that."""
    batch, damaged = Batch([], {}), 0
    for line in lines:
        try:
            _read_line(line, batch)
        except (ValueError, TypeError, LookupError):
            damaged += 1
    return batch, damaged


def _read_line(line: bytes, batch: Batch) -> None:
    told = orjson.loads(line)
    if isinstance(told, dict):
        said = {name: told[name] for name in OF_ANSWER}
        batch.said[said["answer_id"]] = {**said, "as_of": datetime.fromisoformat(said["as_of"])}
        return
    serving = dict(zip(OF_SERVING, told, strict=True))
    if serving["answer_id"] not in batch.said:
        raise LookupError(serving["answer_id"])
    datetime.fromisoformat(serving["served_at"])
    batch.servings.append(line)


def _columns(served: Served) -> Columns:
    """What the table of answers holds of this one."""
    body = orjson.loads(served.body)
    return {
        "answer_id": served.answer_id,
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

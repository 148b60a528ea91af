"""Which workers serve, on all machines, and which generation of each model each of them answers with.

Each worker counts up a row of its own. Whether another one lives is judged by its count, not by a clock: machines'
clocks differ, and a service may show the past.
"""

import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database import reading, upsert, writing
from core.errors import DatabaseError
from serving.champions.champion import Champions
from serving.champions.tables import workers

ALIVE_SECONDS: Final = 10.0
"""A worker whose count stood still for longer is not shown."""
DELETE_AFTER_SECONDS: Final = 60.0

Generations = Mapping[str, Mapping[str, int]]
"""Version and generation by model name."""


@dataclass(frozen=True)
class _Seen:
    beat: int
    at: float
    """On the monotonic clock, when the count was first seen."""
    models: Generations


class RolloutStatus:
    """``step`` belongs to a thread of its own; everything else reads memory."""

    def __init__(self, engine: Engine, champions: Champions, timer: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._champions = champions
        self._timer = timer
        self._beat = 0
        self._seen: Mapping[str, _Seen] = {}
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(2)}"

    def step(self) -> bool:
        """Count up, and read the others. While the database is away, those read last are shown for a while."""
        self._beat += 1
        row = {"worker": self.name, "beat": self._beat, "models": orjson.dumps(self.own()).decode()}
        with suppress(DatabaseError):
            with writing(self._engine) as connection:
                upsert(connection, workers, [row])
            with reading(self._engine) as connection:
                found = connection.execute(sa.select(workers)).tuples().all()
            self._look_at({worker: (beat, models) for worker, beat, models in found})
        return False

    def own(self) -> Generations:
        """What this worker answers with."""
        return {
            model: {"version": champion.version.version, "generation": champion.generation}
            for model, champion in self._champions.loaded.items()
        }

    def alive(self) -> dict[str, Generations]:
        """Every worker that was heard of lately, this one included."""
        now = self._timer()
        others = {name: seen.models for name, seen in self._seen.items() if now - seen.at <= ALIVE_SECONDS}
        return {**others, self.name: self.own()}

    def agreed(self) -> bool:
        """Whether all of them answer with the same generations."""
        return len({orjson.dumps(models, option=orjson.OPT_SORT_KEYS) for models in self.alive().values()}) == 1

    def leave(self) -> None:
        """Take the own row away, at the end of the process."""
        with suppress(DatabaseError), writing(self._engine) as connection:
            connection.execute(sa.delete(workers).where(workers.c.worker == self.name))

    def _look_at(self, found: Mapping[str, tuple[int, str]]) -> None:
        now, seen = self._timer(), {}
        for worker, (beat, models) in found.items():
            before = self._seen.get(worker)
            unmoved = before is not None and before.beat == beat
            seen[worker] = before if before is not None and unmoved else _Seen(beat, now, orjson.loads(models))
            if now - seen[worker].at > DELETE_AFTER_SECONDS:
                self._forget(worker, beat)
        self._seen = seen

    def _forget(self, worker: str, beat: int) -> None:
        """Delete the row of a worker that died, unless it stirs."""
        with writing(self._engine) as connection:
            connection.execute(sa.delete(workers).where(workers.c.worker == worker, workers.c.beat == beat))

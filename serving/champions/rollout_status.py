"""Rollout status: the live workers of all machines, and the generation of each model that each of them has loaded.

Each worker increments a heartbeat counter in its own row. A worker is alive while its counter changes; timestamps are
not compared, because machines' clocks differ and a service may show the past.
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

from core.database.transactions import reading, writing
from core.database.upserts import upsert
from core.errors import DatabaseError
from serving.champions.champion import Champions
from serving.champions.tables import workers

ALIVE_SECONDS: Final = 10.0
"""A worker whose counter has not changed for longer is not listed."""
DELETE_AFTER_SECONDS: Final = 60.0
"""The row of a worker whose counter has not changed for longer is deleted."""

Generations = Mapping[str, Mapping[str, int]]
"""Version and generation by model name."""


@dataclass(frozen=True)
class WorkerHeartbeat:
    """The row of a worker, as last read."""

    beat: int
    seen_at: float
    """When the counter was first seen at this value, on the monotonic clock."""
    models: Generations


class RolloutStatus:
    """Publishes this worker's generations and reads those of the others.

    Only ``step`` and ``deregister`` use the database.
    """

    def __init__(self, engine: Engine, champions: Champions, timer: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._champions = champions
        self._timer = timer
        self._beat = 0
        self._heartbeats: Mapping[str, WorkerHeartbeat] = {}
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(2)}"

    def step(self) -> bool:
        """Increment the counter and read the other workers; without a database, those read last stay listed."""
        self._beat += 1
        row = {"worker": self.name, "beat": self._beat, "models": orjson.dumps(self.own_generations()).decode()}
        with suppress(DatabaseError):
            with writing(self._engine) as connection:
                upsert(connection, workers, [row])
            with reading(self._engine) as connection:
                rows = connection.execute(sa.select(workers)).tuples().all()
            self._update({worker: (beat, models) for worker, beat, models in rows})
        return False

    def own_generations(self) -> Generations:
        """Return what this worker has loaded."""
        return {
            model: {"version": champion.version.version, "generation": champion.generation}
            for model, champion in self._champions.loaded.items()
        }

    def live_workers(self) -> dict[str, Generations]:
        """Return the generations of every live worker by name, this one included."""
        now = self._timer()
        others = {
            name: heartbeat.models
            for name, heartbeat in self._heartbeats.items()
            if now - heartbeat.seen_at <= ALIVE_SECONDS
        }
        return {**others, self.name: self.own_generations()}

    def have_converged(self) -> bool:
        """Whether all live workers have loaded the same generations."""
        return len({orjson.dumps(models, option=orjson.OPT_SORT_KEYS) for models in self.live_workers().values()}) == 1

    def deregister(self) -> None:
        """Delete this worker's row, at the end of the process."""
        with suppress(DatabaseError), writing(self._engine) as connection:
            connection.execute(sa.delete(workers).where(workers.c.worker == self.name))

    def _update(self, rows: Mapping[str, tuple[int, str]]) -> None:
        now, heartbeats = self._timer(), {}
        for worker, (beat, models) in rows.items():
            before = self._heartbeats.get(worker)
            is_unchanged = before is not None and before.beat == beat
            heartbeats[worker] = (
                before if before is not None and is_unchanged else WorkerHeartbeat(beat, now, orjson.loads(models))
            )
            if now - heartbeats[worker].seen_at > DELETE_AFTER_SECONDS:
                self._delete(worker, beat)
        self._heartbeats = heartbeats

    def _delete(self, worker: str, beat: int) -> None:
        """Delete the row of a dead worker, unless its counter has changed."""
        with writing(self._engine) as connection:
            connection.execute(sa.delete(workers).where(workers.c.worker == worker, workers.c.beat == beat))

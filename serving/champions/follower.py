"""Keeps the champions in memory the same as the deployment records, and the old ones where the new are no good."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pydantic import BaseModel
from sqlalchemy.engine import Engine

from core.clock import Clock
from core.errors import DatabaseError, DataIntegrityError, DbsbmError, ServiceError
from core.logs import get_logger
from core.registry.deployment import Deployment, Version, deployments, versions
from core.settings import Settings
from serving.backends.last_known_good import LastGood
from serving.champions.champion import Champions
from serving.champions.loader import Loading
from serving.predictions.prewarming import Warming
from serving.telemetry.metrics import Metrics

FIRST_RETRY_SECONDS: Final = 5.0
LAST_RETRY_SECONDS: Final = 300.0
PATIENCE_SECONDS: Final = 0.4
"""How long a step waits for what is being loaded, before it looks for further changes."""
DOCUMENT: Final = "models"

log = get_logger(__name__)


@dataclass(frozen=True)
class Refusal:
    """Why a champion is not loaded, and since when."""

    version: int
    generation: int
    code: str
    reason: str
    since: datetime
    attempts: int
    retry_at: float
    """On the monotonic clock."""


class Deployed(BaseModel):
    """The deployment records and the versions that they name, as they lie on disk."""

    records: dict[str, Deployment]
    versions: tuple[Version, ...]


class ChampionFollower:
    """Looks at the deployment records and loads what changed, each model by itself.

    Challengers are fetched and tried as soon as they are registered, so that a promotion finds its bundle at hand.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        clock: Clock,
        champions: Champions,
        warming: Warming,
        metrics: Metrics,
        last_good: LastGood,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._champions = champions
        self._warming = warming
        self._metrics = metrics
        self._last_good = last_good
        self._was_answered = False
        self._is_kept = True
        """Whether the disk has taken what was read."""
        self._loading: dict[str, Loading] = {}
        self._ahead: Loading | None = None
        self._looked_ahead: set[tuple[str, int]] = set()
        self.records: Mapping[str, Deployment] = {}
        self.versions: tuple[Version, ...] = ()
        self.refusals: Mapping[str, Refusal] = {}
        """By model name."""

    def step(self) -> bool:
        """One look; True if it may be worth looking again at once.

        While the database is away the records read last hold, from this process or from the disk.
        """
        self._look()
        self._drop_missing(self.records)
        for record in self.records.values():
            if record.model not in self._loading and self._is_due(record):
                self._begin(record)
        for loading in list(self._loading.values()):
            loading.join(PATIENCE_SECONDS / len(self._loading))
        for model, loading in list(self._loading.items()):
            if not loading.is_alive():
                del self._loading[model]
                self._end(model, loading)
        if not self._loading:
            self._look_ahead()
        self.show()
        return bool(self._loading)

    def show(self) -> None:
        """Have the metrics say what is loaded and what was refused."""
        loaded = self._champions.loaded
        self._metrics.show_champions({model: loaded[model].generation for model in loaded}, self.refusals)

    def _look(self) -> None:
        try:
            records = deployments(self._engine)
            if records != self.records:
                self.versions = tuple(versions(self._engine))
                self.records = records
                self._is_kept = False
            self._was_answered = True
            self._is_kept = self._is_kept or self._last_good.keep(DOCUMENT, _deployed(records, self.versions))
        except DatabaseError:
            if (
                not (self._was_answered or self.records)
                and (stored := self._last_good.load(DOCUMENT, Deployed)) is not None
            ):
                self.records, self.versions = stored.records, stored.versions

    def _drop_missing(self, records: Mapping[str, Deployment]) -> None:
        for model in list(self._champions.loaded):
            if model not in records or records[model].champion is None:
                self._champions.drop(model)

    def _is_due(self, record: Deployment) -> bool:
        loaded = self._champions.loaded.get(record.model)
        if record.champion is None or (loaded is not None and loaded.generation == record.generation):
            return False
        refusal = self.refusals.get(record.model)
        return refusal is None or refusal.generation != record.generation or time.monotonic() >= refusal.retry_at

    def _begin(self, record: Deployment) -> None:
        loaded, registered = self._champions.loaded.get(record.model), self._registered(record.model, record.champion)
        if registered is None:
            self._refuse(
                record, DataIntegrityError(f"{record.model} {record.champion} is champion, but not registered.")
            )
        elif loaded is not None and loaded.version == registered:
            self._champions.move(record.model, record.generation)
            self._forgive(record.model)
        else:
            self._loading[record.model] = Loading(self._settings, registered, record.generation)

    def _end(self, model: str, loading: Loading) -> None:
        """Let what was loaded answer, unless the record has moved on meanwhile: then it is due again."""
        record = self.records.get(model)
        if record is None or record.champion != loading.number:
            return
        if loading.champion is None:
            self._refuse(record, loading.error or ServiceError(f"{model} could not be loaded."))
            return
        champion = replace(loading.champion, generation=record.generation)
        self._warming.prepare(champion)
        self._forgive(model)
        self._champions.put(champion)
        log.info("champion loaded", model=model, version=record.champion, generation=record.generation)

    def _forgive(self, model: str) -> None:
        self.refusals = {name: refusal for name, refusal in self.refusals.items() if name != model}

    def _look_ahead(self) -> None:
        """Fetch and try a challenger, one at a time, each once; what is wrong with it is said when it is promoted."""
        if self._ahead is not None and self._ahead.is_alive():
            return
        for record in self.records.values():
            coming = self._registered(record.model, record.challenger)
            if coming is not None and (coming.model, coming.version) not in self._looked_ahead:
                self._looked_ahead.add((coming.model, coming.version))
                self._ahead = Loading(self._settings, coming, record.generation)
                return

    def _registered(self, model: str, number: int | None) -> Version | None:
        return next((item for item in self.versions if (item.model, item.version) == (model, number)), None)

    def _refuse(self, record: Deployment, error: DbsbmError) -> None:
        """Keep the old champion, say so once per reason, and try again later and later."""
        self._metrics.count_refusal(record.model, error)
        before = self.refusals.get(record.model)
        again = before is not None and before.version == record.champion
        attempts = before.attempts + 1 if before is not None and again else 1
        refusal = Refusal(
            version=record.champion or 0,
            generation=record.generation,
            code=error.code,
            reason=str(error),
            since=before.since if before is not None and again else self._clock.now(),
            attempts=attempts,
            retry_at=time.monotonic() + pause_after(attempts),
        )
        if before is None or (before.version, before.reason) != (refusal.version, refusal.reason):
            log.warning(
                "champion refused; the old one goes on",
                model=record.model,
                version=record.champion,
                code=error.code,
                reason=refusal.reason,
            )
        self.refusals = {**self.refusals, record.model: refusal}


def pause_after(attempts: int) -> float:
    """Seconds until a bundle that was refused so many times is tried again."""
    return min(FIRST_RETRY_SECONDS * 2.0 ** (attempts - 1), LAST_RETRY_SECONDS)


def _deployed(records: Mapping[str, Deployment], known: tuple[Version, ...]) -> Deployed:
    named = {(record.model, number) for record in records.values() for number in (record.champion, record.challenger)}
    return Deployed(
        records=dict(records), versions=tuple(item for item in known if (item.model, item.version) in named)
    )

"""Keeps the models in memory in step with the deployment records; a champion that cannot be loaded changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import BaseModel
from sqlalchemy.engine import Engine

from core.errors import DatabaseError, DataIntegrityError, DbsbmError
from core.logs import get_logger
from core.registry.deployment import Deployment, Version, deployments, versions
from serving.backends.last_known_good import LastKnownGood
from serving.champions.champion import Champion, Champions
from serving.champions.loader import LoadFailure, Loading, VersionKey, VersionLoader
from serving.telemetry.metrics import Metrics

PATIENCE_SECONDS: Final = 0.4
"""How long a step waits for champions that are being loaded before it looks for further changes."""
DOCUMENT: Final = "models"

log = get_logger(__name__)


class Deployed(BaseModel):
    """The deployment records and the versions that they name, as they are stored on disk."""

    records: dict[str, Deployment]
    versions: tuple[Version, ...]


class ChampionFollower:
    """Reads the deployment records and loads what changed, each model independently.

    The whole record and the version that it names are compared with what is loaded: a restored database may hold
    another champion under the same generation.

    ``prepare`` is called with each new champion before it answers. Challengers are loaded as soon as they are
    registered, so that a promotion finds its bundle on disk; they stay in memory only if ``keep_challengers``.
    """

    def __init__(
        self,
        engine: Engine,
        champions: Champions,
        loader: VersionLoader,
        metrics: Metrics,
        last_good: LastKnownGood,
        prepare: Callable[[Champion], None],
        *,
        keep_challengers: bool,
    ) -> None:
        self._engine = engine
        self._champions = champions
        self._loader = loader
        self._metrics = metrics
        self._last_good = last_good
        self._prepare = prepare
        self._keep_challengers = keep_challengers
        self._has_database_answered = False
        self._saved_in: Path | None = None
        """Folder in which the records read last are on disk; None if they are not."""
        self._checked_challengers: set[VersionKey] = set()
        self.records: Mapping[str, Deployment] = {}
        self.versions: tuple[Version, ...] = ()
        self.challengers: Mapping[str, Champion] = {}
        """Challengers in memory, by model name."""

    @property
    def failures(self) -> Mapping[str, LoadFailure]:
        """Why a champion is not loaded, by model name."""
        named = (
            (record.model, self._loader.failure((record.model, record.champion)))
            for record in self.records.values()
            if record.champion is not None and not self._is_current(record)
        )
        return {model: failure for model, failure in named if failure is not None}

    def step(self) -> bool:
        """Look for changes once; True while champions are being loaded, so that the next look should follow at once.

        While the database is unavailable, the records read last apply, from this process or from the disk.
        """
        self._read_records()
        self._drop_removed()
        for record in self.records.values():
            self._start_champion(record)
        champions = [key for record in self.records.values() if (key := _key(record)) and self._loader.is_loading(key)]
        if champions:
            self._loader.wait(champions, PATIENCE_SECONDS)
        elif not self._loader.is_loading():
            self._start_challenger()
        for loading in self._loader.take_finished():
            self._finish(loading)
        self.show()
        return any(self._loader.is_loading(key) for key in champions)

    def show(self) -> None:
        """Set the metrics of what is loaded and what failed to load."""
        loaded = self._champions.loaded
        self._metrics.set_champions({model: loaded[model].generation for model in loaded}, self.failures)

    def _read_records(self) -> None:
        try:
            records = deployments(self._engine)
            if records != self.records:
                self.versions = tuple(versions(self._engine))
                self.records = records
                self._saved_in = None
            self._has_database_answered = True
            self._save(self._last_good.folder)
        except DatabaseError:
            if self._has_database_answered or self.records:
                return
            stored = self._last_good.load(DOCUMENT, Deployed)
            if stored is not None:
                self.records, self.versions = stored.records, stored.versions

    def _save(self, folder: Path) -> None:
        """Save the records in the folder, unless they are there."""
        if self._saved_in != folder and self._last_good.save(DOCUMENT, _deployed(self.records, self.versions)):
            self._saved_in = folder

    def _drop_removed(self) -> None:
        for model in list(self._champions.loaded):
            if model not in self.records or self.records[model].champion is None:
                self._champions.drop(model)
        self.challengers = {
            model: challenger
            for model, challenger in self.challengers.items()
            if model in self.records and challenger.version == self._find_version(model, self.records[model].challenger)
        }
        roles = {
            (record.model, number)
            for record in self.records.values()
            for number in (record.champion, record.challenger)
            if number is not None
        }
        self._loader.forget_failures(roles)

    def _is_current(self, record: Deployment) -> bool:
        champion = self._champions.loaded.get(record.model)
        return (
            champion is not None
            and champion.generation == record.generation
            and champion.version == self._find_version(record.model, record.champion)
        )

    def _start_champion(self, record: Deployment) -> None:
        key = _key(record)
        if key is None or self._is_current(record) or not self._loader.is_due(key, record.generation):
            return
        registered = self._find_version(record.model, record.champion)
        champion, challenger = self._champions.loaded.get(record.model), self.challengers.get(record.model)
        if registered is None:
            msg = f"{record.model} {record.champion} is champion in the deployment record, but not registered."
            self._fail(record, key, DataIntegrityError(msg))
        elif champion is not None and champion.version == registered:
            self._champions.set_generation(record.model, record.generation)
        elif challenger is not None and challenger.version == registered:
            self._install(challenger, record)
        else:
            self._loader.start(registered, record.generation)

    def _start_challenger(self) -> None:
        """Load one challenger that was not loaded yet."""
        for record in self.records.values():
            registered = self._find_version(record.model, record.challenger)
            if registered is None or record.model in self.challengers:
                continue
            key = (registered.model, registered.version)
            if key not in self._checked_challengers and self._loader.is_due(key, record.generation):
                self._loader.start(registered, record.generation)
                return

    def _finish(self, loading: Loading) -> None:
        """Use what was loaded, unless the record has changed meanwhile and names this very version no more."""
        model, number = loading.key
        record = self.records.get(model)
        if record is None or number not in (record.champion, record.challenger):
            return
        if loading.registered != self._find_version(model, number):
            return
        if loading.champion is None:
            self._fail(record, loading.key, loading.error)
        elif number == record.champion:
            self._install(loading.champion, record)
        elif self._keep_challengers:
            self.challengers = {**self.challengers, model: loading.champion}
            log.info("challenger loaded", model=model, version=number)
        else:
            self._checked_challengers.add(loading.key)

    def _install(self, champion: Champion, record: Deployment) -> None:
        champion = replace(champion, generation=record.generation)
        self._prepare(champion)
        self._champions.put(champion)
        log.info("champion loaded", model=record.model, version=record.champion, generation=record.generation)

    def _find_version(self, model: str, number: int | None) -> Version | None:
        return next((item for item in self.versions if (item.model, item.version) == (model, number)), None)

    def _fail(self, record: Deployment, key: VersionKey, error: DbsbmError) -> None:
        """Keep what is loaded, log each reason once, and try again after a growing pause."""
        is_champion = key == _key(record)
        if is_champion:
            self._metrics.count_load_failure(record.model, error)
        if self._loader.record_failure(key, record.generation, error):
            event = "champion refused; the previous one stays loaded" if is_champion else "challenger refused"
            log.warning(event, model=record.model, version=key[1], code=error.code, reason=str(error))


def _key(record: Deployment) -> VersionKey | None:
    """Return the version of the record's champion."""
    return None if record.champion is None else (record.model, record.champion)


def _deployed(records: Mapping[str, Deployment], registered: tuple[Version, ...]) -> Deployed:
    named = {(record.model, number) for record in records.values() for number in (record.champion, record.challenger)}
    return Deployed(
        records=dict(records), versions=tuple(item for item in registered if (item.model, item.version) in named)
    )

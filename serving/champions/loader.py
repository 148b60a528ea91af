"""Loads registered versions: each is fetched, verified, tried once in a separate process, and read, in its own thread.

This is the only place in serving that opens a bundle.
"""

import platform
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final

from sqlalchemy.engine import Engine

from core.clock import Clock
from core.errors import DataIntegrityError, DbsbmError, ServiceError
from core.logs import get_logger
from core.registry.bundles.store import BundleStore, bundle_store
from core.registry.bundles.trial import try_bundle
from core.registry.deployment import Deployment, Version, version
from core.registry.manifest import BundleManifest
from core.settings import Settings
from core.signing import Signer
from feature_store.features.sets import demanded_by
from serving.champions.champion import Champion

TRIAL_FOLDER: Final = ".tried"
TRIAL_SECONDS: Final = 20.0
"""The time limit of a trial; a sound bundle takes about a second."""

LoadVersion = Callable[[Version, int], Champion]
"""Loads a version for a generation of its deployment record; raises as ``load_version`` does."""

VersionKey = tuple[str, int]
"""Model name and version number."""

log = get_logger(__name__)


def load_champion(engine: Engine, settings: Settings, record: Deployment) -> Champion | None:
    """Return the champion that the record names, verified and tried; None if it names none.

    Raises as ``load_version`` does, and ResourceNotFoundError for a version that is not registered.
    """
    if record.champion is None:
        return None
    return load_version(bundle_store(settings), version(engine, record.model, record.champion), record.generation)


def load_version(
    store: BundleStore, registered: Version, generation: int, trial_seconds: float = TRIAL_SECONDS
) -> Champion:
    """Return the version, verified and tried. Asks MLflow only for bundles that are not on disk.

    Raises SecurityError or ServiceError for a bundle that is damaged or does not run, DataIntegrityError for one made
    for other features or another model, DependencyError when it cannot be fetched.
    """
    bundle = store.open_version(registered, partial(_try_once, seconds=trial_seconds))
    _check_identity(bundle.manifest, registered)
    features = demanded_by(bundle.manifest.features, bundle.manifest.fingerprint, registered.sport)
    return Champion(registered, generation, bundle, features)


def _try_once(folder: Path, sha256: str, bundle_signer: Signer, seconds: float) -> None:
    """Try the bundle, unless the same bytes have passed under the same versions of Python and LightGBM.

    The marker in the store only saves the trial, which costs a second: reading the bundle verifies every byte.
    """
    runtime = f"py{platform.python_version()}-lightgbm{installed_version('lightgbm')}"
    marker = folder.parent / TRIAL_FOLDER / f"{sha256}-{runtime}"
    if marker.exists():
        return
    try_bundle(folder, sha256, bundle_signer, seconds=seconds)
    with suppress(OSError):  # in a store that cannot be written, the bundle is tried again next time
        marker.parent.mkdir(exist_ok=True)
        marker.touch()


def _check_identity(manifest: BundleManifest, registered: Version) -> None:
    claimed = (manifest.model, manifest.sport, manifest.league, manifest.variant)
    expected = (registered.model, registered.sport, registered.league, registered.variant)
    if claimed != expected:
        msg = f"The bundle registered as {registered.model} {registered.version} is of {' '.join(claimed)}."
        raise DataIntegrityError(msg, hint="Register the bundle of this model.", claimed=claimed)


@dataclass(frozen=True)
class Backoff:
    """How long to wait before a version that failed to load is tried again [seconds]; doubles with each attempt."""

    first: float = 5.0
    last: float = 300.0

    def pause_after(self, attempts: int) -> float:
        """Return the pause after this many failed attempts."""
        return min(self.first * 2.0 ** (attempts - 1), self.last)


@dataclass(frozen=True)
class LoadFailure:
    """Why a version is not loaded, and since when."""

    version: int
    generation: int
    code: str
    reason: str
    since: datetime
    attempts: int
    retry_at: float
    """On the monotonic clock."""


class Loading(threading.Thread):
    """A thread that loads one version, so that a load that hangs does not delay others.

    When it has ended, ``champion`` is set if the load succeeded; otherwise ``error`` is the reason.
    """

    def __init__(self, load: LoadVersion, registered: Version, generation: int) -> None:
        super().__init__(name=f"loading-{registered.model}", daemon=True)
        self.registered = registered
        self.generation = generation
        self.champion: Champion | None = None
        self.error: DbsbmError = ServiceError(f"{registered.model} {registered.version} could not be loaded.")
        self._load = load

    @property
    def key(self) -> VersionKey:
        return self.registered.model, self.registered.version

    def run(self) -> None:
        """Load the version."""
        try:
            self.champion = self._load(self.registered, self.generation)
        except DbsbmError as error:
            self.error = error
        except OSError as error:
            # The store cannot be written, or no process can be started: not the bundle's fault, possibly temporary.
            registered = f"{self.registered.model} {self.registered.version}"
            self.error = ServiceError(f"{registered} could not be loaded on this machine: {error.strerror}.")


class VersionLoader:
    """Loads versions in the background, and retries those that failed with a growing pause. Belongs to one thread."""

    def __init__(self, load: LoadVersion, clock: Clock, backoff: Backoff) -> None:
        self._load = load
        self._clock = clock
        self._backoff = backoff
        self._loading: dict[VersionKey, Loading] = {}
        self._failures: dict[VersionKey, LoadFailure] = {}

    def failure(self, key: VersionKey) -> LoadFailure | None:
        """Return the failure of the version's last load; None if there was none."""
        return self._failures.get(key)

    def is_loading(self, key: VersionKey | None = None) -> bool:
        """Whether this version, or any, is being loaded."""
        return key in self._loading if key is not None else bool(self._loading)

    def is_due(self, key: VersionKey, generation: int) -> bool:
        """Whether to try the version now: it is not being loaded, and the pause after its last failure is over.

        A new generation of the deployment record makes every version due at once.
        """
        if key in self._loading:
            return False
        failure = self._failures.get(key)
        return failure is None or failure.generation != generation or time.monotonic() >= failure.retry_at

    def start(self, registered: Version, generation: int) -> None:
        """Start loading the version in a thread."""
        loading = Loading(self._load, registered, generation)
        self._loading[loading.key] = loading
        loading.start()

    def wait(self, keys: list[VersionKey], seconds: float) -> None:
        """Wait for these versions, for at most ``seconds`` in all."""
        for key in keys:
            self._loading[key].join(seconds / len(keys))

    def take_finished(self) -> list[Loading]:
        """Return the loads that have ended since the last call."""
        finished = [loading for loading in self._loading.values() if not loading.is_alive()]
        for loading in finished:
            del self._loading[loading.key]
            if loading.champion is not None:
                self._failures.pop(loading.key, None)
        return finished

    def record_failure(self, key: VersionKey, generation: int, error: DbsbmError) -> bool:
        """Record why the version could not be loaded; True if the reason is new."""
        before = self._failures.get(key)
        attempts = 1 if before is None else before.attempts + 1
        self._failures[key] = LoadFailure(
            version=key[1],
            generation=generation,
            code=error.code,
            reason=str(error),
            since=self._clock.now() if before is None else before.since,
            attempts=attempts,
            retry_at=time.monotonic() + self._backoff.pause_after(attempts),
        )
        return before is None or before.reason != str(error)

    def forget_failures(self, wanted: set[VersionKey]) -> None:
        """Forget the failures of versions that have no role any more."""
        self._failures = {key: failure for key, failure in self._failures.items() if key in wanted}

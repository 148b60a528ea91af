"""A model version being loaded in a thread of its own: one that hangs must not keep the others waiting."""

import threading

from core.errors import DbsbmError, ServiceError
from core.registry.deployment import Version
from core.settings import Settings
from serving.champions.champion import Champion, load_version


class Loading(threading.Thread):
    """Begun when made. Once it is no longer alive, there is a ``champion`` or, but for a bug, an ``error``."""

    def __init__(self, settings: Settings, registered: Version, generation: int) -> None:
        super().__init__(name=f"loading-{registered.model}", daemon=True)
        self.champion: Champion | None = None
        self.error: DbsbmError | None = None
        self.number = registered.version
        self._generation = generation
        self._settings = settings
        self._registered = registered
        self.start()

    def run(self) -> None:
        """Fetch, verify, try and read it."""
        try:
            self.champion = load_version(self._settings, self._registered, self._generation)
        except DbsbmError as error:
            self.error = error
        except OSError as error:
            # The store cannot be written, or no process can be had: no fault of the bundle's, and it may pass.
            version = f"{self._registered.model} {self._registered.version}"
            self.error = ServiceError(f"{version} could not be loaded here: {error.strerror}.")

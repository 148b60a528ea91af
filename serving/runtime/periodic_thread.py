"""A thread that repeats one step until it is stopped."""

import threading
from collections.abc import Callable

from prometheus_client import Counter

from core.logs import get_logger

log = get_logger(__name__)


class PeriodicThread:
    """Runs ``step`` at once and then at a fixed interval, in a thread of its own.

    A step that returns True has more to do and is run again without a pause. An unexpected error does not end the
    thread: it is logged with its trace and counted, and the next step runs.
    """

    def __init__(self, name: str, step: Callable[[], bool], *, seconds: float, errors: Counter) -> None:
        self._errors = errors.labels(name)
        self._step = step
        self._seconds = seconds
        self._stopping = threading.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread with the first step."""
        self._thread.start()

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until a step had nothing more to do for the first time; False if none had within that time."""
        return self._idle.wait(seconds)

    def stop(self) -> None:
        """Start no further step; does not wait for the current one."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Wait for the current step to end, for that long at most."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            more = False
            try:
                more = self._step()
            except Exception:  # an unexpected error must not end the thread; it is logged and counted
                self._errors.inc()
                log.exception("unexpected error in a background thread")
            if not more:
                self._idle.set()
                self._stopping.wait(self._seconds)

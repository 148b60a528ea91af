"""The end of a process that serves: which signals mean it, and how long it may take.

Python's default for most signals is to end the process at once, with whatever it has not written yet.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from core.logs import get_logger
from serving.telemetry.output_queue import drain_output

STOP_SECONDS: Final = 5.0
"""Time for an orderly end. What must not be lost is written before; what still hangs then is left."""

STOPPING_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
"""Signals that end a process in an orderly way."""

IGNORED_SIGNALS: Final = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)
"""Signals that mean nothing to a process that serves."""

log = get_logger(__name__)


@contextmanager
def handled_signals(stop: Callable[[int], None], *, ignored: tuple[signal.Signals, ...] = ()) -> Iterator[None]:
    """Call ``stop`` with the number of a signal that ends the process, until the block ends.

    Other threads than the main one get no signals. A hang-up stays ignored where it was (nohup).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        ignored = (*ignored, signal.SIGHUP)
    actions: dict[signal.Signals, Any] = {
        **dict.fromkeys(STOPPING_SIGNALS, lambda number, _frame: stop(number)),
        **dict.fromkeys((*IGNORED_SIGNALS, *ignored), signal.SIG_IGN),
    }
    before = {number: signal.signal(number, action) for number, action in actions.items()}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


class StopDeadline:
    """Ends this process some time after an orderly stop began, whatever hangs in it, and logs where each thread is.

    A thread does it, which waits from the start, because none can be started safely in a signal's handler. Should it
    hang as well, the kernel ends the process a second later.
    """

    def __init__(self, seconds: float = STOP_SECONDS) -> None:
        self._seconds = seconds
        self._has_begun = False
        self._begun = threading.Event()
        threading.Thread(target=self._wait, name="stop-deadline", daemon=True).start()

    def begin(self) -> None:
        """Start the time, at the first call. The main thread calls it, also in a signal's handler."""
        if self._has_begun:
            return
        self._has_begun = True
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, self._seconds + 1.0)
        self._begun.set()

    def _wait(self) -> None:
        self._begun.wait()
        time.sleep(self._seconds)
        log.error("the process did not stop in time and was ended", threads=_places())
        drain_output()
        os._exit(1)


def _places() -> dict[str, str]:
    """Return the innermost line that each thread runs, by the thread's name."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        names.get(ident, str(ident)): f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}"
        for ident, frame in sys._current_frames().items()  # noqa: SLF001 - documented in spite of its name
    }


def ignore_signals(*numbers: signal.Signals) -> None:
    """Ignore these signals from now on; processes that this one starts ignore them as well."""
    for number in (*IGNORED_SIGNALS, *numbers):
        signal.signal(number, signal.SIG_IGN)

"""What this process prints and logs leaves through a bounded queue: a reader that pauses never stops the service.

A write to a full pipe blocks until somebody reads. Here a thread does all writing; what does not fit into the queue is
dropped, counted in the metrics, and reported in the log once the reader continues.
"""

import io
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, TextIO, cast

from core.logs import get_logger
from core.text.clean_streams import redirect_stream, terminal_of

LIMIT: Final = 4 * 1024 * 1024
"""Characters that wait at most, for each of the two streams: some 16,000 lines."""

COLLECT_SECONDS: Final = 0.05
"""Texts are written so rarely: each time, the thread takes the interpreter's lock from the event loop."""

DRAIN_SECONDS: Final = 0.4
"""How long the end of the process waits for what is queued to be written."""

log = get_logger(__name__)


class OutputQueue(io.TextIOBase):
    """Stands in for a text stream of this process. Its writes never wait; a thread of its own passes them on."""

    def __init__(self, target: TextIO, limit: int = LIMIT) -> None:
        super().__init__()
        self._target = target
        self._limit = limit
        self._texts: deque[str] = deque()
        self._waiting = 0
        """Characters that wait."""
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """Lines that were not written."""
        self._reported = 0

    def write(self, text: str) -> int:
        """Queue the text; if it does not fit, drop it and count its lines. After ``drain``, write it at once."""
        with self._changed:
            if not self._closing.is_set():
                if self._waiting + len(text) > self._limit:
                    self.dropped += _lines(text)
                    return len(text)
                self._texts.append(text)
                self._waiting += len(text)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="output", daemon=True)
                    self._thread.start()
                self._changed.notify()
                return len(text)
        return self._target.write(text)

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until the queue is written, for that long at most; later writes go to the stream itself."""
        with self._changed:
            self._closing.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(seconds)

    def flush(self) -> None:
        """Do nothing: the thread writes as fast as the reader reads."""

    def isatty(self) -> bool:
        return self._target.isatty()

    def fileno(self) -> int:
        return self._target.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._target.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._target.errors

    def _run(self) -> None:
        while texts := self._take():
            if self._pass_on("".join(texts)):
                self._report_dropped()

    def _take(self) -> list[str]:
        """Wait for texts and return all of them; none once the queue is closing and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._texts or self._closing.is_set())
        self._closing.wait(COLLECT_SECONDS)
        with self._changed:
            texts = list(self._texts)
            self._texts.clear()
            return texts

    def _pass_on(self, text: str) -> bool:
        """Write the text; False, and its lines are counted, if the descriptor takes nothing."""
        try:
            _write(self._target.fileno(), text.encode(self._target.encoding, "backslashreplace"))
            lost = 0
        except OSError:
            lost = _lines(text)  # the reader has closed the pipe, or the disk is full
        with self._changed:
            self._waiting -= len(text)
            self.dropped += lost
        return not lost

    def _report_dropped(self) -> None:
        lines, self._reported = self.dropped - self._reported, self.dropped
        if lines:
            log.warning("lines of the log were dropped, because its reader paused", count=lines)


_OPEN: Final[list[OutputQueue]] = []
"""The queues of this process, as its streams are its own."""


@contextmanager
def queued_output() -> Iterator[None]:
    """Queue whatever is printed to standard output and error, or logged to them, until the block ends."""
    with ExitStack() as stack:
        for name in ("stdout", "stderr"):
            stack.enter_context(_queued(name))
        yield


def dropped_lines() -> int:
    """Return the number of lines that this process printed or logged and that were not written."""
    return sum(queue.dropped for queue in _OPEN)


def drain_output() -> None:
    """Wait for the queues, within a bound; call it before an end of the process that runs no code any more."""
    deadline = time.monotonic() + DRAIN_SECONDS
    for queue in reversed(_OPEN):  # standard error first: it is the log
        queue.drain(max(0.0, deadline - time.monotonic()))


@contextmanager
def _queued(name: str) -> Iterator[None]:
    stream = terminal_of(getattr(sys, name))
    if not _has_descriptor(stream):
        yield
        return
    queue = OutputQueue(stream)
    _OPEN.append(queue)
    redirect_stream(name, cast("TextIO", queue))
    _redirect_loggers(stream, queue)
    try:
        yield
    finally:
        redirect_stream(name, stream)
        _redirect_loggers(queue, stream)
        queue.drain()
        _OPEN.remove(queue)


def _has_descriptor(stream: TextIO | None) -> bool:
    """Whether it writes to a file or pipe: a process may be started without one, and a test may replace it."""
    try:
        return stream is not None and stream.fileno() >= 0
    except (OSError, ValueError):
        return False


def _redirect_loggers(before: TextIO | OutputQueue, after: TextIO | OutputQueue) -> None:
    """Let the handlers of all loggers that write to one stream write to the other."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in loggers:
        for handler in logger.handlers if isinstance(logger, logging.Logger) else ():
            if isinstance(handler, logging.StreamHandler) and handler.stream is before:
                handler.setStream(after)


def _write(descriptor: int, content: bytes) -> None:
    """Write all of it. Not through the stream, whose lock printing at the end of the process takes, too."""
    left = memoryview(content)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def _lines(text: str) -> int:
    return max(1, text.count("\n"))

"""Commands that are run on a terminal, by a person who reads and types."""

import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

QUESTION_SECONDS = 60.0


class Terminal:
    """A command on a terminal of its own: what it shows, and a person who types."""

    def __init__(self, descriptor: int, process: "subprocess.Popen[bytes]") -> None:
        self._descriptor = descriptor
        self.process = process
        self.shown = ""
        self._answered = 0
        self._ended = False

    def answer(self, question: str, text: str) -> None:
        """Wait for a question that was not answered yet, and type the answer."""
        self._read_until(lambda: question in self.shown[self._answered :], question)
        self._answered = len(self.shown)
        os.write(self._descriptor, f"{text}\n".encode())

    def answer_unseen(self, question: str, text: str) -> None:
        """The same where the question must switch the echo off: what is typed before is discarded."""
        self._read_until(lambda: question in self.shown[self._answered :] and not self._echoes(), question)
        self.answer(question, text)

    def _echoes(self) -> bool:
        return bool(termios.tcgetattr(self._descriptor)[3] & termios.ECHO)

    def wait(self) -> int:
        """Everything is shown, and the command has ended; its exit status."""
        self._read_until(lambda: self._ended, "the end", seconds=600)
        return self.process.wait(30)

    def _read_until(self, seen: Callable[[], bool], what: str, seconds: float = QUESTION_SECONDS) -> None:
        until = time.monotonic() + seconds
        while not seen():
            assert time.monotonic() < until, f"{what} did not come:\n{self.shown}"
            assert not self._ended, f"{what} did not come before the end:\n{self.shown}"
            if select.select([self._descriptor], [], [], 1)[0]:
                try:
                    part = os.read(self._descriptor, 4096)
                except OSError:  # EIO: the other side is closed
                    part = b""
                self._ended = not part
                self.shown += part.decode()


@contextmanager
def on_terminal(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[Terminal]:
    """Start the command with a terminal that controls it, as passwords are read from that."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command],
        cwd=folder, env={**environment, "TERM": "dumb"}, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        os.close(ours)  # hangs the terminal up
        process.kill()
        process.wait()

"""Standard output and error without secrets and control characters, whoever writes: commands, libraries, tracebacks."""

import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

from core.text.printable import printable
from core.text.redaction import redact


class CleanStream:
    """A text stream that masks secrets and shows control characters as escapes.

    It is no terminal, so that libraries do not move its cursor.
    """

    def __init__(self, stream: TextIO) -> None:
        self.terminal = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)

    def write(self, text: str) -> int:
        """Write the text, cleaned."""
        self.terminal.write(printable(redact(text)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write the lines, cleaned."""
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """False."""
        return False


def clean_standard_streams() -> None:
    """Clean whatever this process prints from now on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, CleanStream):
            setattr(sys, name, cast("TextIO", CleanStream(stream)))


def redirect_stream(name: str, target: TextIO) -> TextIO:
    """Let standard output or error write to the target, cleaned as before; returns what it wrote to until now."""
    stream = getattr(sys, name)
    before = terminal_of(stream)
    if isinstance(stream, CleanStream):
        stream.terminal = target
    else:
        setattr(sys, name, target)
    return before


def terminal_of(stream: TextIO) -> TextIO:
    """The stream itself, for a writer that cleans its text and draws bars or colours around it."""
    return stream.terminal if isinstance(stream, CleanStream) else stream

"""A watch over the processes that tests start: a test that is not marked ``server`` starts no server and no command.

A bundle's trial and the few programs that libraries ask about the machine or the code's version are short, and allowed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STARTED = frozenset({"subprocess.Popen", "os.fork", "os.posix_spawn", "tests.forked"})
"""What Python tells its audit hooks when a process is started; the last one comes from ``tests.forked`` itself."""
TRIAL = "core.registry.bundles.trial"
PROGRAMS = frozenset({"file", "git", "uname"})

_refused: list[str | None] = [None]


class UnmarkedProcessError(AssertionError):
    """A test that is not marked ``server`` started a process."""


@contextmanager
def refused_to(test: str | None) -> Iterator[None]:
    """While the block runs, starting a process fails, in the name of that test; None allows it."""
    _refused.append(test)
    try:
        yield
    finally:
        _refused.pop()


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in STARTED and _refused[-1] is not None and not _is_short(arguments):
        msg = f"{_refused[-1]} starts a process ({event}: {str(arguments)[:200]}); mark it pytest.mark.server"
        raise UnmarkedProcessError(msg)


def _is_short(arguments: tuple[Any, ...]) -> bool:
    return TRIAL in str(arguments) or str(next(iter(arguments), "")) in PROGRAMS


sys.addaudithook(_refuse)

"""The identity of a process, by which another one can tell whether it still runs.

A process id alone does not identify a process, because it is reused. On one machine the id, the time at which the
process started and the boot from which that time is counted do (proc(5), field 22 of ``stat``).
"""

import os
import socket
from functools import cache
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
STARTED: Final = 22 - 3
"""Index of the start time among the fields after the program's name, which may itself contain spaces."""


def this_process() -> str:
    """The identity of this process: host, boot, process id and start time."""
    return f"{socket.gethostname()}:{_boot()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(name: str) -> bool | None:
    """Whether the process of that identity has ended; None where this machine cannot tell."""
    match name.split(":"):
        case [host, boot, number, started] if host == socket.gethostname() and number.isdecimal() and started:
            return boot != _boot() or _started(int(number)) != started
    return None


@cache
def _boot() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(number: int) -> str:
    """When the process was started, in ticks since the boot; empty if there is no process of that number."""
    try:
        return (PROC / str(number) / "stat").read_text().rpartition(")")[2].split()[STARTED]
    except (OSError, IndexError):
        return ""

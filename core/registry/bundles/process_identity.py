"""Which process wrote something, so that another can tell whether it is still there.

A number alone does not name a process: it is given again. On one machine the number, the time at which the process
was started and the boot since which that time is counted do (proc(5), field 22 of ``stat``).
"""

import os
import socket
from functools import cache
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
STARTED: Final = 22 - 3
"""Place of the start time among the fields behind the program's name, which may itself hold spaces."""


def this_process() -> str:
    """Its name for ``is_gone``: host, boot, process id and start time."""
    return f"{socket.gethostname()}:{_boot()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(name: str) -> bool | None:
    """Whether the process of that name has ended; None where this machine cannot say."""
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
    """When the process was started, in ticks since the boot; empty where there is none of that number."""
    try:
        return (PROC / str(number) / "stat").read_text().rpartition(")")[2].split()[STARTED]
    except (OSError, IndexError):
        return ""

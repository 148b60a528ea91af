"""What one request leaves behind for its log line and its metrics."""

import re
import secrets
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple

from starlette.types import Scope

from core.errors import DbsbmError
from serving.access.rate_limiter import Standing
from serving.telemetry.cache_level import LEVELS, Level

SCOPE_NAME: Final = "dbsbm.trace"
PROCESS: Final = secrets.token_hex(10)
"""How all ids begin that this process gives: no two are the same, and none costs a call of the system."""

_NUMBERS: Final = count()
SANE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Caller(NamedTuple):
    """Who asks; without a key where none is demanded."""

    key_id: str | None
    guild_id: int | None = None
    """The guild that is spoken for, if one was named or the key belongs to one."""
    standing: Standing | None = None
    """What is left of the tightest limit."""


Admission = Caller | DbsbmError
"""How the gate judged a request: by whom it is, or why not."""


@dataclass(slots=True)
class Trace:
    """Filled in while a request is answered."""

    request_id: str
    began: float = field(default_factory=time.perf_counter)
    """On the performance counter [seconds]."""
    admission: Admission | None = None
    level: Level | None = None
    generation: int | None = None
    """Of the deployment record whose champion answered."""
    route: str | None = None
    """Template of the route that answered; None where routing decides."""
    failure: DbsbmError | None = None
    """Why the front could not answer, so that the route need not find out again."""

    def note(self, level: Level, generation: int) -> None:
        """One more prediction is in the answer: of several the worst level counts, and a generation that all share."""
        if self.level is None:
            self.level, self.generation = level, generation
            return
        if level != self.level:
            self.level = max(self.level, level, key=LEVELS.index)
        if generation != self.generation:
            self.generation = None

    @property
    def key_id(self) -> str | None:
        return self.admission.key_id if isinstance(self.admission, Caller) else None


def new_id() -> str:
    """An id for a request that brings none."""
    return f"{PROCESS}{next(_NUMBERS):012x}"


def request_id_of(scope: Scope) -> str | None:
    """The id that the caller gave the request, if that is a sane one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            sent = value.decode("latin-1")
            return sent if SANE_ID.fullmatch(sent) else None
    return None


def begin_trace(scope: Scope) -> Trace:
    """A trace for the request, under the caller's own id if that is a sane one."""
    trace = Trace(request_id_of(scope) or new_id())
    scope[SCOPE_NAME] = trace
    return trace


def trace_of(scope: Scope) -> Trace:
    """The trace of the request under way."""
    trace: Trace = scope[SCOPE_NAME]
    return trace

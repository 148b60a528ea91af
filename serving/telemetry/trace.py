"""What one request leaves behind for its log line and its metrics."""

import re
import secrets
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from serving.telemetry.cache_level import LEVELS, CacheLevel
from serving.telemetry.caller import AdmissionResult, Caller

SCOPE_NAME: Final = "dbsbm.trace"
PROCESS: Final = secrets.token_hex(10)
"""How all ids begin that this process gives: no two are the same, and none costs a call of the system."""

AsgiScope = MutableMapping[str, Any]
"""What the server knows of a request, as ASGI defines it."""

_NUMBERS: Final = count()
VALID_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(slots=True)
class Trace:
    """Filled in while a request is answered."""

    request_id: str
    began: float = field(default_factory=time.perf_counter)
    """On the performance counter [seconds]."""
    admission: AdmissionResult | None = None
    level: CacheLevel | None = None
    generation: int | None = None
    """Of the deployment record whose champion answered."""
    route: str | None = None
    """Template of the route that answered; None where routing decides."""

    def note(self, level: CacheLevel, generation: int) -> None:
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


def request_id_of(scope: AsgiScope) -> str | None:
    """The id that the caller gave the request, if that is a sane one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            sent = value.decode("latin-1")
            return sent if VALID_REQUEST_ID.fullmatch(sent) else None
    return None


def begin_trace(scope: AsgiScope) -> Trace:
    """A trace for the request, under the caller's own id if that is a sane one."""
    trace = Trace(request_id_of(scope) or new_id())
    scope[SCOPE_NAME] = trace
    return trace


def trace_of(scope: AsgiScope) -> Trace:
    """The trace of the request under way."""
    trace: Trace = scope[SCOPE_NAME]
    return trace

"""The trace of one request, from which its log line and metrics are made."""

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
ID_PREFIX: Final = secrets.token_hex(10)
"""Prefix of all ids made by this process: they are unique, and none costs a system call."""

AsgiScope = MutableMapping[str, Any]
"""The scope of a request, as ASGI defines it."""

_NUMBERS: Final = count()
VALID_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(slots=True)
class Trace:
    """The facts of a request, filled in while it is answered."""

    request_id: str
    started_at: float = field(default_factory=time.perf_counter)
    """On the performance counter [seconds]."""
    admission: AdmissionResult | None = None
    level: CacheLevel | None = None
    generation: int | None = None
    """Generation of the deployment record whose champion answered."""
    route: str | None = None
    """Template of the route that answered; None if the framework routes the request."""

    def record_prediction(self, level: CacheLevel, generation: int) -> None:
        """Add a prediction of the response: the worst level counts, and the generation only if all share it."""
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
    """Return an id for a request without one."""
    return f"{ID_PREFIX}{next(_NUMBERS):012x}"


def request_id_of(scope: AsgiScope) -> str | None:
    """Return the id in the request's header X-Request-ID, if it is valid."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            sent = value.decode("latin-1")
            return sent if VALID_REQUEST_ID.fullmatch(sent) else None
    return None


def begin_trace(scope: AsgiScope) -> Trace:
    """Begin a trace of the request, under the caller's own id if that is valid."""
    trace = Trace(request_id_of(scope) or new_id())
    scope[SCOPE_NAME] = trace
    return trace


def trace_of(scope: AsgiScope) -> Trace:
    """Return the trace of the current request."""
    trace: Trace = scope[SCOPE_NAME]
    return trace

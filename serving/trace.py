"""What one request leaves behind for its log line and its metrics."""

import re
import secrets
from dataclasses import dataclass
from typing import Final

from starlette.types import Scope

from serving.cache import Level

SCOPE_NAME: Final = "dbsbm.trace"
SANE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(slots=True)
class Trace:
    """Filled in while a request is answered."""

    request_id: str
    key_id: str | None = None
    level: Level | None = None


def begin_trace(scope: Scope) -> Trace:
    """A trace for the request, under the caller's own id if that is a sane one."""
    sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    trace = Trace(sent if SANE_ID.fullmatch(sent) else secrets.token_hex(16))
    scope[SCOPE_NAME] = trace
    return trace


def trace_of(scope: Scope) -> Trace:
    """The trace of the request under way."""
    trace: Trace = scope[SCOPE_NAME]
    return trace

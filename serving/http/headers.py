"""What every answer tells browsers and callers besides its content."""

from collections.abc import Sequence
from typing import Final

from serving.telemetry.caller import Caller, RateLimitStatus
from serving.telemetry.trace import Trace

Header = tuple[bytes, bytes]

AS_JSON: Final[Header] = (b"content-type", b"application/json")
REVALIDATED: Final[Header] = (b"cache-control", b"private, no-cache")
"""On responses that are true for a moment only."""

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Pages of ours load nothing from elsewhere and run nothing that stands in them."""

ON_EVERY_RESPONSE: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def header_lines(headers: Sequence[Header]) -> bytes:
    """Return the headers as they are written to a connection."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def headers_for(trace: Trace) -> list[Header]:
    """The headers of one answer that no route writes: its id, what browsers may do with it, what is left of a limit."""
    return [(b"x-request-id", trace.request_id.encode()), *ON_EVERY_RESPONSE, *limits_on(trace)]


def limits_on(trace: Trace) -> tuple[Header, ...]:
    """What is left of the caller's limit, if it has one."""
    caller = trace.admission
    status = caller.limit_status if isinstance(caller, Caller) else None
    return () if status is None else _limits(*status)


def limit_lines(status: RateLimitStatus | None) -> bytes:
    """``limits_on`` as it stands in an answer."""
    if status is None:
        return b""
    return b"ratelimit-limit: %d\r\nratelimit-remaining: %d\r\nratelimit-reset: %d\r\n" % status


def _limits(limit: int, remaining: int, seconds: int) -> tuple[Header, ...]:
    return (
        (b"ratelimit-limit", b"%d" % limit),
        (b"ratelimit-remaining", b"%d" % remaining),
        (b"ratelimit-reset", b"%d" % seconds),
    )

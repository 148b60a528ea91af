"""Headers that every response carries."""

from collections.abc import Sequence
from typing import Final

from serving.telemetry.caller import Caller, RateLimitStatus
from serving.telemetry.trace import Trace

Header = tuple[bytes, bytes]

JSON_CONTENT: Final[Header] = (b"content-type", b"application/json")
REVALIDATED: Final[Header] = (b"cache-control", b"private, no-cache")
"""On responses that change with time."""

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Pages load nothing from other hosts and run no inline scripts."""

ON_EVERY_RESPONSE: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def header_lines(headers: Sequence[Header]) -> bytes:
    """Return the headers as bytes for a connection."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def headers_for(trace: Trace) -> list[Header]:
    """Return the headers that no route writes: request id, security headers, rate limit."""
    return [(b"x-request-id", trace.request_id.encode()), *ON_EVERY_RESPONSE, *rate_limit_headers(trace)]


def rate_limit_headers(trace: Trace) -> tuple[Header, ...]:
    """Return the headers on the caller's rate limit; none for a caller without one."""
    caller = trace.admission
    status = caller.limit_status if isinstance(caller, Caller) else None
    return () if status is None else _rate_limit_headers(*status)


def rate_limit_lines(status: RateLimitStatus | None) -> bytes:
    """Return the rate limit headers as bytes for a connection."""
    if status is None:
        return b""
    return b"ratelimit-limit: %d\r\nratelimit-remaining: %d\r\nratelimit-reset: %d\r\n" % status


def _rate_limit_headers(limit: int, remaining: int, seconds: int) -> tuple[Header, ...]:
    return (
        (b"ratelimit-limit", b"%d" % limit),
        (b"ratelimit-remaining", b"%d" % remaining),
        (b"ratelimit-reset", b"%d" % seconds),
    )

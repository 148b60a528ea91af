"""What every answer tells browsers and callers besides its content."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from serving.access.rate_limiter import Standing
from serving.telemetry.trace import Caller, Trace

Header = tuple[bytes, bytes]

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Pages of ours load nothing from elsewhere and run nothing that stands in them."""

ON_EVERY_ANSWER: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Headers(NamedTuple):
    """Headers that several answers have in common, as pairs and as they stand in an answer."""

    pairs: tuple[Header, ...]
    lines: bytes

    @classmethod
    def of(cls, *pairs: Header) -> "Headers":
        """Written once."""
        return cls(pairs, written(pairs))


def written(headers: Sequence[Header]) -> bytes:
    """Headers as they stand in an answer."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def on_this_answer(trace: Trace) -> list[Header]:
    """The headers of one answer that no route writes: its id, what browsers may do with it, what is left of a limit."""
    return [(b"x-request-id", trace.request_id.encode()), *ON_EVERY_ANSWER, *limits_on(trace)]


def limits_on(trace: Trace) -> tuple[Header, ...]:
    """What is left of the caller's limit, if it has one."""
    caller = trace.admission
    standing = caller.standing if isinstance(caller, Caller) else None
    return () if standing is None else _limits(*standing)


def limit_lines(standing: Standing | None) -> bytes:
    """``limits_on`` as it stands in an answer."""
    if standing is None:
        return b""
    return b"ratelimit-limit: %d\r\nratelimit-remaining: %d\r\nratelimit-reset: %d\r\n" % standing


def _limits(limit: int, remaining: int, seconds: int) -> tuple[Header, ...]:
    return (
        (b"ratelimit-limit", b"%d" % limit),
        (b"ratelimit-remaining", b"%d" % remaining),
        (b"ratelimit-reset", b"%d" % seconds),
    )

"""The caller of a request, as admission control determines it and access log and headers report it."""

from typing import NamedTuple

from core.errors import DbsbmError


class RateLimitStatus(NamedTuple):
    """What is left of a rate limit in the current minute, as far as this process knows."""

    limit: int
    """Requests per minute."""
    remaining: int
    seconds: int
    """Seconds until the minute ends."""


class Caller(NamedTuple):
    """The caller of a request; without a key where none is required."""

    key_id: str | None
    guild_id: int | None = None
    """The guild that the request names, or the one that the key belongs to."""
    limit_status: RateLimitStatus | None = None
    """Of the tightest limit."""


AdmissionResult = Caller | DbsbmError
"""The caller that was admitted, or the error by which the request was refused."""

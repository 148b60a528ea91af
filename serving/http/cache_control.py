"""The request header Cache-Control, which means the same on every path."""

from typing import Final

from starlette.types import Scope

NAME: Final = b"cache-control"
BYPASS: Final = b"no-cache"


def bypasses_caches(value: bytes) -> bool:
    """Whether the value of one such header has the directive ``no-cache``, in any case (RFC 9111, section 5.2)."""
    return BYPASS in (directive.partition(b"=")[0].strip().lower() for directive in value.split(b","))


def is_recomputation(request: Scope) -> bool:
    """Whether any header Cache-Control of the request bypasses the caches."""
    return any(bypasses_caches(value) for name, value in request["headers"] if name == NAME)

"""What every route shares: guarded routers, documented problems, and JSON without a detour."""

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Response, Security

from serving.api.guarded_route import KEY_HEADER, GuardedRoute
from serving.api.schemas import Problem

SportPath = Annotated[str, Path(max_length=32, examples=["soccer"], description="In any of the bot's spellings.")]
LeaguePath = Annotated[str, Path(max_length=120, examples=["EPL"], description="Key, title or alias, in any case.")]
GameIdPath = Annotated[str, Path(max_length=120, examples=["1035037"])]
LeagueQuery = Annotated[str | None, Query(max_length=120, examples=["EPL"], description="Key, title or alias.")]

REVALIDATED = {"Cache-Control": "private, no-cache"}
"""On answers that are true for a moment only."""

MEANINGS = {
    304: "Not changed since the answer that the ETag names.",
    400: "The request cannot be read: nested too deeply, a number too long, a host that is not ours.",
    401: "No key, or one that is unknown, expired or revoked.",
    403: "The key may not do this.",
    404: "No such league, team or game; `nearest` holds the closest names.",
    409: "Not now: somebody was faster, or there is nothing to change to.",
    413: "The body is larger than 64 KiB, or with feature rows than 1 MiB.",
    415: "The body is not JSON.",
    422: "The request cannot be used; `field` says where.",
    429: "More requests than the limit of the key or the guild, or too many wrong keys; `Retry-After` says when.",
    500: "A bug of ours; it was logged under the request id.",
    503: "Not now: no champion, no data, or the database is away.",
}


ALWAYS = (400, 401, 403, 422, 429, 500)
"""What every guarded route may answer; 422 because of a guild in the head that cannot be."""


def guarded_router(tag: str) -> APIRouter:
    """A router whose routes demand the scope that the gateway lists for them."""
    return APIRouter(tags=[tag], route_class=GuardedRoute, dependencies=[Security(KEY_HEADER)])


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of the problems a guarded route may answer with."""
    return {status: {"model": Problem, "description": MEANINGS[status]} for status in sorted({*ALWAYS, *statuses})}


def as_json(content: object, status: int = 200) -> Response:
    """A JSON answer; moments in ISO 8601 with Z."""
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), status, media_type="application/json")


def joined(parts: Sequence[bytes]) -> bytes:
    """A JSON list of parts that are JSON already."""
    return b"[" + b",".join(parts) + b"]"

"""What all routes share: guarded routers, documented problems, and JSON responses."""

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Response, Security

from serving.api.guarded_route import KEY_HEADER, GuardedRoute
from serving.api.schemas import Problem

SportPath = Annotated[str, Path(max_length=32, examples=["soccer"], description="Any of the bot's spellings.")]
LeaguePath = Annotated[str, Path(max_length=120, examples=["EPL"], description="Key, title or alias, in any case.")]
GameIdPath = Annotated[str, Path(max_length=120, examples=["1035037"])]
LeagueQuery = Annotated[str | None, Query(max_length=120, examples=["EPL"], description="Key, title or alias.")]

REVALIDATED = {"Cache-Control": "private, no-cache"}
"""Headers of responses that change with time."""

MEANINGS = {
    304: "Not modified since the response with that ETag.",
    400: "Malformed request: nested too deeply, a number too long, or an unknown host.",
    401: "No API key, or one that is unknown, expired or revoked.",
    403: "The key lacks the scope, or is not valid for the guild.",
    404: "Unknown league, team, game or model; `nearest` lists the closest names.",
    409: "Conflict: a concurrent change, or no version to change to.",
    413: "The body exceeds 64 KiB, or 1 MiB with feature rows.",
    415: "The body is not JSON.",
    422: "Invalid request; `field` names the invalid part.",
    429: "Rate limit of the key, of the guild or of wrong keys exceeded; wait for `Retry-After`.",
    500: "Internal server error; the log has it under the request id.",
    503: "Service unavailable: no champion, no data, overload, or the database is unavailable.",
}


ALWAYS = (400, 401, 403, 422, 429, 500)
"""Statuses of every guarded route; 422 because of an invalid guild in the headers."""


def guarded_router(tag: str) -> APIRouter:
    """Return a router whose routes require the scopes of ``REQUIRED_SCOPES``."""
    return APIRouter(tags=[tag], route_class=GuardedRoute, dependencies=[Security(KEY_HEADER)])


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of a guarded route's problems."""
    return {status: {"model": Problem, "description": MEANINGS[status]} for status in sorted({*ALWAYS, *statuses})}


def as_json(content: object, status: int = 200) -> Response:
    """Return a JSON response; times in ISO 8601 with Z."""
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), status, media_type="application/json")


def json_list(items: Sequence[bytes]) -> bytes:
    """Return the JSON list of items that are JSON already."""
    return b"[" + b",".join(items) + b"]"

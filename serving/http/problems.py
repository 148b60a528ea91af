"""What a caller is told when something goes wrong: problem+json (RFC 9457), from one table.

Codes are the fifteen of ``core.errors`` and ``data_too_old``. What is broken on our side is named, not described: a
driver's words are for the log.
"""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from core import errors
from core.errors import DbsbmError, DependencyError, RateLimitError
from core.logs import get_logger
from serving.access.api_keys import ScopeError
from serving.games import staleness
from serving.games.staleness import DataTooOldError
from serving.telemetry.trace import trace_of

PROBLEM_JSON: Final = "application/problem+json"
RETRY_SECONDS: Final = 5
"""What a caller is told to wait where nothing better is known."""

SHOWN_FACTS: Final = ("field", "nearest", "resource_type", "league")
UNFORESEEN: Final = "INTERNAL_ERROR"

OPEN_INFERENCE: Final = "/v2/"

log = get_logger(__name__)


class Kind(NamedTuple):
    """How a type of error looks from outside."""

    status: int
    title: str
    retry_seconds: int = RETRY_SECONDS
    """What a caller is told to wait, where he is told so."""


KINDS: Final[Mapping[type[DbsbmError], Kind]] = {
    errors.ValidationError: Kind(422, "The request cannot be used"),
    errors.ConfigurationError: Kind(500, "The service is set up wrongly"),
    ScopeError: Kind(403, "The key may not do this"),
    errors.AuthenticationError: Kind(401, "A key is needed"),
    errors.SecurityError: Kind(500, "Something of ours was tampered with"),
    errors.RateLimitError: Kind(429, "Asked too often"),
    errors.ResourceNotFoundError: Kind(404, "There is no such thing"),
    errors.ConflictError: Kind(409, "Not now"),
    errors.DataIntegrityError: Kind(503, "Stored data does not fit the model"),
    DataTooOldError: Kind(503, "The data is too old and cannot be checked", staleness.RETRY_SECONDS),
    errors.ServiceError: Kind(503, "The service cannot answer this now"),
    errors.DatabaseError: Kind(503, "The database is away"),
    errors.CacheError: Kind(503, "The cache is away"),
    errors.NetworkError: Kind(502, "Another service cannot be reached"),
    errors.OperationTimeoutError: Kind(504, "Something took too long"),
    errors.ApiError: Kind(502, "Another service answered with an error"),
    errors.ExternalServiceError: Kind(502, "Another service failed"),
}

OF_STATUS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("VALIDATION_ERROR", "The request cannot be read"),
    404: ("NOT_FOUND_ERROR", "There is no such address"),
    405: ("VALIDATION_ERROR", "This address does not take that method"),
    408: ("TIMEOUT_ERROR", "The request did not arrive in time"),
    413: ("VALIDATION_ERROR", "The request is too large"),
    415: ("VALIDATION_ERROR", "This address does not take that kind of body"),
    431: ("VALIDATION_ERROR", "The head of the request is too large"),
}
"""What the framework itself refuses."""


def kind_of(error: DbsbmError) -> Kind:
    """The entry of the nearest type in the table."""
    return next(KINDS[kind] for kind in type(error).__mro__ if kind in KINDS)


def problem_of(error: DbsbmError, request_id: str) -> dict[str, Any]:
    """The problem document of an error of ours."""
    kind = kind_of(error)
    foreign = isinstance(error, DependencyError)
    facts = {**error.facts, "nearest": getattr(error, "nearest", None)}
    shown = {name: facts[name] for name in SHOWN_FACTS if facts.get(name) is not None}
    detail = f"{kind.title}. Try again in a moment." if foreign else error.message
    return problem(kind.status, error.code, kind.title, detail, request_id, hint="" if foreign else error.hint, **shown)


def problem(
    status: int, code: str, title: str, detail: str, request_id: str, *, hint: str = "", **shown: object
) -> dict[str, Any]:
    """A problem document."""
    about = {"type": f"urn:dbsbm:problem:{code}", "title": title, "status": status, "code": code, "detail": detail}
    return {**about, **({"hint": hint} if hint else {}), "request_id": request_id, **shown}


def respond(content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """The answer that carries a problem."""
    return Response(orjson.dumps(content), content["status"], headers, PROBLEM_JSON)


def _respond(scope: Scope, content: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """The answer to this request; under /v2 it also says what is wrong where that protocol's clients look for it."""
    in_protocol = f"{scope['path']}/".startswith(OPEN_INFERENCE)
    return respond({**content, "error": content["detail"]} if in_protocol else content, headers)


def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, DbsbmError)  # noqa: S101 - registered for this type
    return problem_response(request.scope, error)


def problem_response(scope: Scope, error: DbsbmError) -> Response:
    """Return the response to the request that failed with this error."""
    content = problem_of(error, trace_of(scope).request_id)
    headers = {}
    if isinstance(error, RateLimitError):
        wait = str(max(1, math.ceil(error.retry_after)))
        headers["Retry-After"] = wait
        if "limit" in error.facts:
            headers |= {
                "RateLimit-Limit": str(error.facts["limit"]),
                "RateLimit-Remaining": "0",
                "RateLimit-Reset": wait,
            }
    elif content["status"] == 503:
        headers["Retry-After"] = str(kind_of(error).retry_seconds)
    elif content["status"] == 401:
        headers["WWW-Authenticate"] = 'ApiKey header="X-API-Key"'
    if content["status"] >= 500:
        log.warning("answered with a problem", code=error.code, reason=error.message)
    return _respond(scope, content, headers)


def _on_malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    wrong = [{"field": _field(entry), "detail": entry["msg"]} for entry in error.errors()]
    detail = "; ".join(f"{entry['field']}: {entry['detail']}" for entry in wrong[:5])
    request_id = trace_of(request.scope).request_id
    kind = KINDS[errors.ValidationError]
    content = problem(
        kind.status, "VALIDATION_ERROR", kind.title, detail, request_id, field=wrong[0]["field"], fields=wrong[:20]
    )
    return _respond(request.scope, content)


def _field(entry: Mapping[str, Any]) -> str:
    where, *inside = entry["loc"]
    return ".".join(map(str, inside)) if inside and entry["type"] != "json_invalid" else str(where)


def refusal(status: int, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """What is answered to a request that reached no route."""
    return respond(_refused(status, request_id), headers)


def _refused(status: int, request_id: str) -> dict[str, Any]:
    code, title = OF_STATUS.get(status, ("SERVICE_ERROR", "The request was refused"))
    return problem(status, code, title, f"{title}.", request_id)


def _on_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    return _respond(request.scope, _refused(error.status_code, trace_of(request.scope).request_id), error.headers)


def _on_unforeseen(request: Request, error: Exception) -> Response:
    return unforeseen_response(request.scope, error)


def unforeseen_response(scope: Scope, error: Exception) -> Response:
    """Log the bug and return its response: the caller gets the request id, the log has the rest."""
    request_id = trace_of(scope).request_id
    log.error("unforeseen error", request_id=request_id, exc_info=error)
    content = problem(500, UNFORESEEN, "Something broke", "Something of ours broke; it was logged.", request_id)
    return _respond(scope, content)


def install_problems(app: FastAPI) -> None:
    """Turn every error of the app into a problem document."""
    app.add_exception_handler(DbsbmError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_malformed)
    app.add_exception_handler(HTTPException, _on_refused)
    app.add_exception_handler(Exception, _on_unforeseen)

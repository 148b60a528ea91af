"""Errors as problem+json (RFC 9457), from one table.

Codes are the fifteen of ``core.errors`` and ``data_too_old``. The failure of a dependency is named, not described: a
driver's message belongs in the log.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError as PydanticValidationError
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
"""Default of the header Retry-After."""

MOST_FIELDS: Final = 20
"""Invalid fields that a problem lists; a body can have thousands."""

PUBLIC_FACTS: Final = ("field", "nearest", "resource_type", "league")
UNEXPECTED: Final = "INTERNAL_ERROR"

OPEN_INFERENCE_PREFIX: Final = "/v2/"

log = get_logger(__name__)


class ProblemKind(NamedTuple):
    """Status and title of the problem that a type of error becomes."""

    status: int
    title: str
    retry_seconds: int = RETRY_SECONDS
    """The header Retry-After, for problems that carry it."""


PROBLEM_KINDS: Final[Mapping[type[DbsbmError], ProblemKind]] = {
    errors.ValidationError: ProblemKind(422, "Invalid request"),
    errors.ConfigurationError: ProblemKind(500, "Service misconfigured"),
    ScopeError: ProblemKind(403, "Permission denied"),
    errors.AuthenticationError: ProblemKind(401, "API key required"),
    errors.SecurityError: ProblemKind(500, "Integrity check failed"),
    errors.RateLimitError: ProblemKind(429, "Rate limit exceeded"),
    errors.ResourceNotFoundError: ProblemKind(404, "Resource not found"),
    errors.ConflictError: ProblemKind(409, "Conflict with the current state"),
    errors.DataIntegrityError: ProblemKind(503, "Stored data does not match the model"),
    DataTooOldError: ProblemKind(503, "Data too old", staleness.RETRY_SECONDS),
    errors.ServiceError: ProblemKind(503, "Service unavailable"),
    errors.DatabaseError: ProblemKind(503, "Database unavailable"),
    errors.CacheError: ProblemKind(503, "Cache unavailable"),
    errors.NetworkError: ProblemKind(502, "Upstream service unreachable"),
    errors.OperationTimeoutError: ProblemKind(504, "Operation timed out"),
    errors.ApiError: ProblemKind(502, "Upstream service returned an error"),
    errors.ExternalServiceError: ProblemKind(502, "Upstream service failed"),
}

PROBLEM_BY_STATUS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("VALIDATION_ERROR", "Malformed request"),
    404: ("NOT_FOUND_ERROR", "Path not found"),
    405: ("VALIDATION_ERROR", "Method not allowed"),
    408: ("TIMEOUT_ERROR", "Request timed out"),
    413: ("VALIDATION_ERROR", "Request body too large"),
    415: ("VALIDATION_ERROR", "Unsupported media type"),
    431: ("VALIDATION_ERROR", "Request header too large"),
}
"""Code and title for requests that the framework or the server rejects, by status."""


def problem_kind(error: DbsbmError) -> ProblemKind:
    """Return the entry of the nearest type in the table."""
    return next(PROBLEM_KINDS[kind] for kind in type(error).__mro__ if kind in PROBLEM_KINDS)


def problem_of(error: DbsbmError, request_id: str) -> dict[str, Any]:
    """Return the problem document of one of the project's own errors."""
    kind = problem_kind(error)
    is_dependency = isinstance(error, DependencyError)
    facts = {**error.facts, "nearest": getattr(error, "nearest", None)}
    public = {name: facts[name] for name in PUBLIC_FACTS if facts.get(name) is not None}
    detail = f"{kind.title}. Try again later." if is_dependency else error.message
    return problem(
        kind.status, error.code, kind.title, detail, request_id, hint="" if is_dependency else error.hint, **public
    )


def problem(
    status: int, code: str, title: str, detail: str, request_id: str, *, hint: str = "", **public: object
) -> dict[str, Any]:
    """Return a problem document; ``public`` are facts that the caller may see."""
    about = {"type": f"urn:dbsbm:problem:{code}", "title": title, "status": status, "code": code, "detail": detail}
    return {**about, **({"hint": hint} if hint else {}), "request_id": request_id, **public}


def respond(content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Return the response with a problem as its body."""
    return Response(orjson.dumps(content), content["status"], headers, PROBLEM_JSON)


def _respond_to(scope: Scope, content: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Return the response to this request; under /v2 the detail is repeated in ``error``, as that protocol has it."""
    in_protocol = f"{scope['path']}/".startswith(OPEN_INFERENCE_PREFIX)
    return respond({**content, "error": content["detail"]} if in_protocol else content, headers)


# Handlers are async although they do not wait: the framework runs plain functions in a thread, which costs as much as
# several answers.
async def _on_dbsbm_error(request: Request, error: Exception) -> Response:
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
        headers["Retry-After"] = str(problem_kind(error).retry_seconds)
    elif content["status"] == 401:
        headers["WWW-Authenticate"] = 'ApiKey header="X-API-Key"'
    if content["status"] >= 500:
        log.warning("responded with a problem", code=error.code, reason=error.message)
    return _respond_to(scope, content, headers)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    entries = error.errors()[:MOST_FIELDS]
    return _invalid_request(request.scope, [(_field(entry), entry["msg"]) for entry in entries])


def invalid_body_response(scope: Scope, error: PydanticValidationError) -> Response:
    """Return the response to a request whose JSON body is an object that does not fit its schema."""
    entries = error.errors(include_url=False)[:MOST_FIELDS]
    faults = [(_field({**entry, "loc": ("body", *entry["loc"])}), entry["msg"]) for entry in entries]
    return _invalid_request(scope, faults)


def _invalid_request(scope: Scope, faults: Sequence[tuple[str, str]]) -> Response:
    detail = "; ".join(f"{field}: {fault}" for field, fault in faults[:5])
    request_id = trace_of(scope).request_id
    kind = PROBLEM_KINDS[errors.ValidationError]
    wrong = [{"field": field, "detail": fault} for field, fault in faults]
    content = problem(
        kind.status, "VALIDATION_ERROR", kind.title, detail, request_id, field=wrong[0]["field"], fields=wrong
    )
    return _respond_to(scope, content)


def _field(entry: Mapping[str, Any]) -> str:
    where, *inside = entry["loc"]
    return ".".join(map(str, inside)) if inside and entry["type"] != "json_invalid" else str(where)


def refusal_response(status: int, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response to a request that reached no route."""
    return respond(_http_problem(status, request_id), headers)


def _http_problem(status: int, request_id: str) -> dict[str, Any]:
    code, title = PROBLEM_BY_STATUS.get(status, ("SERVICE_ERROR", "Request rejected"))
    return problem(status, code, title, f"{title}.", request_id)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    return _respond_to(
        request.scope, _http_problem(error.status_code, trace_of(request.scope).request_id), error.headers
    )


async def _on_unexpected(request: Request, error: Exception) -> Response:
    return unexpected_response(request.scope, error)


def unexpected_response(scope: Scope, error: Exception) -> Response:
    """Log the bug and return its response: the caller gets the request id, the log has the rest."""
    request_id = trace_of(scope).request_id
    log.error("unexpected error", request_id=request_id, exc_info=error)
    content = problem(500, UNEXPECTED, "Internal server error", "Unexpected error; see the log.", request_id)
    return _respond_to(scope, content)


def install_problems(app: FastAPI) -> None:
    """Make the app respond to every error with a problem document."""
    app.add_exception_handler(DbsbmError, _on_dbsbm_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_unexpected)

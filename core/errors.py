"""Every error this project raises on purpose, as one tree.

    DbsbmError
    ├── ValidationError          VALIDATION_ERROR        the caller's input is invalid
    ├── ConfigurationError       CONFIG_ERROR            a setting is missing or invalid
    ├── AuthenticationError      AUTH_ERROR              no key, an invalid key, or a key without the scope
    ├── SecurityError            SECURITY_ERROR          a digest or a signature does not match
    ├── RateLimitError           RATE_LIMIT_ERROR        too many requests; says when to retry
    ├── ResourceNotFoundError    NOT_FOUND_ERROR         no such league, team, game or model
    ├── ConflictError            CONFLICT_ERROR          valid, but not now: another writer was first, or the game began
    │   └── ClockError           CONFLICT_ERROR          this machine's clock is far ahead of the database's
    ├── DataIntegrityError       DATA_INTEGRITY_ERROR    stored facts contradict each other or the schema
    ├── ServiceError             SERVICE_ERROR           a part of this service cannot do its work
    └── DependencyError          (a base, never raised)  something outside this process is missing or down
        ├── DatabaseError            DB_ERROR
        ├── CacheError               CACHE_ERROR
        ├── NetworkError             NETWORK_ERROR
        ├── OperationTimeoutError    TIMEOUT_ERROR
        ├── ApiError                 API_ERROR
        └── ExternalServiceError     EXTERNAL_SERVICE_ERROR

The fifteen codes are the bot's own. ``DependencyError`` exists because the command line and serving's fall-backs catch
it. A message is written for people and never holds a secret, SQL text or a parameter; those belong to the chained
cause, which only the log shows, redacted. An error may quote another library's: secrets in its message are masked.
"""

from typing import ClassVar

from core.text.redaction import redact


class DbsbmError(Exception):
    """A foreseen error: ``message`` says what happened, ``hint`` what to do, ``facts`` hold values for programs."""

    code: ClassVar[str] = "ERROR"
    quotes_caller: ClassVar[bool] = False
    """Whether the message repeats what the caller sent: masked, it would confirm to a stranger a secret guessed."""

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        self.message = message if self.quotes_caller else redact(message)
        super().__init__(self.message)
        self.hint = hint if self.quotes_caller else redact(hint)
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ValidationError(DbsbmError):
    """The caller's input is invalid; ``facts`` name the field."""

    code = "VALIDATION_ERROR"
    quotes_caller = True


class ConfigurationError(DbsbmError):
    """A setting is missing or invalid; the message names the variable, what was read and what is allowed."""

    code = "CONFIG_ERROR"


class AuthenticationError(DbsbmError):
    """No key, an unknown, expired or revoked key, or a key without the scope of the route."""

    code = "AUTH_ERROR"


class SecurityError(DbsbmError):
    """A file or a value is not what was written: a digest or a signature does not match."""

    code = "SECURITY_ERROR"


class RateLimitError(DbsbmError):
    """Rate limit exceeded; ``retry_after`` is in seconds."""

    code = "RATE_LIMIT_ERROR"

    def __init__(self, message: str, *, retry_after: float, hint: str = "", **facts: object) -> None:
        super().__init__(message, hint=hint, **facts)
        self.retry_after = retry_after


class ResourceNotFoundError(DbsbmError):
    """The resource does not exist; ``nearest`` holds the names spelt most like it, best first."""

    code = "NOT_FOUND_ERROR"
    quotes_caller = True

    def __init__(self, message: str, *, nearest: tuple[str, ...] = (), hint: str = "", **facts: object) -> None:
        if nearest and not hint:
            hint = f"Nearest: {', '.join(nearest)}."
        super().__init__(message, hint=hint, **facts)
        self.nearest = nearest


class ConflictError(DbsbmError):
    """The request is valid, but not now: another writer was first, or the game has begun."""

    code = "CONFLICT_ERROR"


class ClockError(ConflictError):
    """A clock is so wrong that nothing may be stamped by it; refused, with exit code 4."""


class DataIntegrityError(DbsbmError):
    """Stored facts contradict each other, the schema, or the feature set a model was trained on."""

    code = "DATA_INTEGRITY_ERROR"


class ServiceError(DbsbmError):
    """A part of this service cannot do its work: no champion, too little data, a refused bundle."""

    code = "SERVICE_ERROR"


class DependencyError(DbsbmError):
    """Something outside this process is missing or down. A base: raise one of the classes below."""


class DatabaseError(DependencyError):
    """The database refused, broke off, or is unavailable."""

    code = "DB_ERROR"


class CacheError(DependencyError):
    """Redis refused, broke off, or is unavailable. Never reaches a caller of the API."""

    code = "CACHE_ERROR"


class NetworkError(DependencyError):
    """A host could not be reached."""

    code = "NETWORK_ERROR"


class OperationTimeoutError(DependencyError):
    """An operation took longer than allowed."""

    code = "TIMEOUT_ERROR"


class ApiError(DependencyError):
    """The prediction service answered the client with an error; facts hold its status and code."""

    code = "API_ERROR"


class ExternalServiceError(DependencyError):
    """MLflow, Prefect or another outside service failed or is not installed."""

    code = "EXTERNAL_SERVICE_ERROR"


EXIT_FAILED, EXIT_USAGE, EXIT_DEPENDENCY, EXIT_REFUSED = 1, 2, 3, 4


def exit_code(error: DbsbmError) -> int:
    """The command line's exit status for an error: 1 failed, 2 usage, 3 a dependency is missing or down, 4 refused."""
    match error:
        case ClockError():
            return EXIT_REFUSED
        case ValidationError() | ConfigurationError() | ResourceNotFoundError():
            return EXIT_USAGE
        case ApiError(facts={"status": int(status)}) if 400 <= status < 500:
            return EXIT_USAGE
        case DependencyError():
            return EXIT_DEPENDENCY
        case _:
            return EXIT_FAILED

"""The error tree has the bot's codes, exit codes follow it, and texts help."""

import inspect

import pytest

from core import errors
from core.errors import (
    EXIT_DEPENDENCY,
    EXIT_FAILED,
    EXIT_USAGE,
    CacheError,
    ConfigurationError,
    ConflictError,
    DatabaseError,
    DataIntegrityError,
    DbsbmError,
    DependencyError,
    ExternalServiceError,
    RateLimitError,
    ResourceNotFoundError,
    SecurityError,
    ServiceError,
    ValidationError,
    exit_code,
)

BOT_CODES = {
    "DB_ERROR",
    "CACHE_ERROR",
    "API_ERROR",
    "AUTH_ERROR",
    "VALIDATION_ERROR",
    "CONFIG_ERROR",
    "SERVICE_ERROR",
    "RATE_LIMIT_ERROR",
    "NETWORK_ERROR",
    "TIMEOUT_ERROR",
    "NOT_FOUND_ERROR",
    "CONFLICT_ERROR",
    "SECURITY_ERROR",
    "DATA_INTEGRITY_ERROR",
    "EXTERNAL_SERVICE_ERROR",
}
"""The fifteen of the bot's exceptions.py."""

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DbsbmError)]
RAISED = [kind for kind in TREE if kind not in (DbsbmError, DependencyError)]


def test_the_codes_are_the_bots_fifteen_each_of_one_class_and_those_below_it() -> None:
    codes = [
        kind.__dict__["code"] for kind in RAISED if DbsbmError in kind.__bases__ or DependencyError in kind.__bases__
    ]
    assert len(codes) == len(set(codes)) == 15
    assert set(codes) == BOT_CODES


@pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.__name__)
def test_the_drawn_tree_names_every_class_beside_its_code(kind: type[DbsbmError]) -> None:
    drawn = [line.split() for line in (errors.__doc__ or "").splitlines() if kind.__name__ in line]
    assert drawn
    assert kind.code in drawn[0]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_names_end_in_error(kind: type[DbsbmError]) -> None:
    assert kind.__name__.endswith("Error")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValidationError("x"), EXIT_USAGE),
        (ConfigurationError("x"), EXIT_USAGE),
        (ResourceNotFoundError("x"), EXIT_USAGE),
        (DatabaseError("x"), EXIT_DEPENDENCY),
        (CacheError("x"), EXIT_DEPENDENCY),
        (ExternalServiceError("x"), EXIT_DEPENDENCY),
        (ConflictError("x"), EXIT_FAILED),
        (DataIntegrityError("x"), EXIT_FAILED),
        (SecurityError("x"), EXIT_FAILED),
        (ServiceError("x"), EXIT_FAILED),
        (RateLimitError("x", retry_after=1), EXIT_FAILED),
    ],
)
def test_exit_codes_tell_usage_from_a_missing_dependency(error: DbsbmError, expected: int) -> None:
    assert exit_code(error) == expected


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ServiceError("No champion."), "No champion."),
        (ServiceError("No champion.", hint="Promote one."), "No champion. Promote one."),
        (ResourceNotFoundError("No EPLL."), "No EPLL."),
        (ResourceNotFoundError("No EPLL.", nearest=("EPL", "MLS")), "No EPLL. Nearest: EPL, MLS."),
        (ResourceNotFoundError("No EPLL.", nearest=("EPL",), hint="See `leagues`."), "No EPLL. See `leagues`."),
    ],
)
def test_the_text_is_the_message_and_then_what_to_do(error: DbsbmError, text: str) -> None:
    assert str(error) == text


def test_facts_ride_along_without_entering_the_text() -> None:
    error = ValidationError("line: wrong.", field="line", value="secret")
    assert error.facts == {"field": "line", "value": "secret"}
    assert str(error) == "line: wrong."


def test_a_rate_limit_says_when_to_ask_again() -> None:
    assert RateLimitError("slow down", retry_after=2.5).retry_after == 2.5

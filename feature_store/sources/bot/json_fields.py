"""JSON as the bot's writers leave it: text, Python's own notation with single quotes, or already decoded."""

import ast
import json
from typing import Final

LONGEST_QUOTATION: Final = 1_000
LARGEST_NUMBER: Final = 9_999


class UnbelievableError(ValueError):
    """What a row says cannot be believed: the reason for people, and the row's own words."""

    def __init__(self, reason: str, said: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.content = _quoted(said)[:LONGEST_QUOTATION]


def _quoted(said: object) -> str:
    try:
        return said if isinstance(said, str) else json.dumps(said, default=str)
    except (TypeError, RecursionError):
        return f"a {type(said).__name__} that JSON cannot hold"


def decoded(column: str, value: object) -> object:
    """What a JSON column holds, None when it is empty. Raises UnbelievableError naming the column."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    found = _parsed(column, text)
    return decoded(column, found) if isinstance(found, str) else found


def decoded_object(column: str, value: object) -> dict[str, object]:
    """The JSON object in a column, without entries when the column is empty. Raises UnbelievableError naming it."""
    found = decoded(column, value)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UnbelievableError(f"{column} holds a {type(found).__name__} instead of an object", str(value))
    return found


def _parsed(column: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise UnbelievableError(f"{column} cannot be read: neither JSON nor Python notation", text) from error


def within(document: object, *path: str) -> object:
    """What lies at the path of keys, None where the path ends early."""
    for key in path:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def entries(document: object) -> list[object]:
    """The entries of a list; none of anything else."""
    return document if isinstance(document, list) else []


def whole_number(value: object) -> int | None:
    """A count such as a score, from a number or its digits; None for anything else, negative or absurdly large."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value.strip()) <= 4:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= LARGEST_NUMBER else None

"""JSON as the bot's writers store it: text, Python's own notation with single quotes, or already decoded."""

import ast
import json
from typing import Final

LONGEST_QUOTATION: Final = 1_000
LARGEST_NUMBER: Final = 9_999
LONGEST_PYTHON_TEXT: Final = 100_000
"""Characters of Python's notation that are read, at half a kilobyte and a microsecond each; the bot writes hundreds."""


class RejectedValueError(ValueError):
    """A value of a row is unreadable or implausible: the reason for people, and the value as the row has it."""

    def __init__(self, reason: str, value: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.content = _quoted(value)[:LONGEST_QUOTATION]


def _quoted(value: object) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, default=str)
    except (TypeError, RecursionError):
        return f"a {type(value).__name__} that JSON cannot hold"


def decode(column: str, value: object) -> object:
    """The content of a JSON column, None when it is empty. Raises RejectedValueError naming the column."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    content = _parse(column, text)
    return decode(column, content) if isinstance(content, str) else content


def decode_object(column: str, value: object) -> dict[str, object]:
    """The JSON object in a column, without entries when the column is empty. Raises RejectedValueError naming it."""
    content = decode(column, value)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise RejectedValueError(f"{column} holds a {type(content).__name__} instead of an object", str(value))
    return content


def _parse(column: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > LONGEST_PYTHON_TEXT:
        reason = f"{column} cannot be read: no JSON, and longer than {LONGEST_PYTHON_TEXT} characters"
        raise RejectedValueError(reason, text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise RejectedValueError(f"{column} cannot be read: neither JSON nor Python notation", text) from error


def at_path(document: object, *path: str) -> object:
    """The value at the path of keys, None where the path ends early."""
    for key in path:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def list_entries(document: object) -> list[object]:
    """The entries of a list; none of anything else."""
    return document if isinstance(document, list) else []


def whole_number(value: object) -> int | None:
    """A count such as a score, from a number or its digits; None for anything else, negative or absurdly large."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value.strip()) <= 4:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= LARGEST_NUMBER else None

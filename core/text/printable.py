"""Text whose control characters are visible, so that a name from elsewhere moves no cursor and changes no terminal."""

import re
from typing import Final

CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line feed; line and paragraph separators; signs that reverse the direction of text,
and halves of characters, which no encoding can write."""


def printable(text: str) -> str:
    """The text with every control character as an escape such as \\u001b, which JSON understands as well."""
    return CONTROL.sub(_escape, text)


def _escape(character: re.Match[str]) -> str:
    return f"\\u{ord(character[0]):04x}"

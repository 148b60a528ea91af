"""What an id or a name may be: text that is written, signed, logged and shown without meaning anything else.

Ids and names come from feeds, files and callers. One with a line break can end a log line or the key that a cached
value is signed under, one with an escape character can drive a terminal, and one with a lone surrogate cannot be
stored at all.
"""

import re
from typing import Final

UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, line and paragraph separators, marks of byte order and writing direction, lone surrogates."""


def has_unprintable(text: str) -> bool:
    """Whether a character of the text may not stand in an id or a name."""
    return not text.isprintable() and UNPRINTABLE.search(text) is not None


def fault_of(text: str, longest: int) -> str:
    """Return what is wrong with an id or a name, in words, or an empty text.

    It has 1 to ``longest`` characters, none of them unprintable, and neither begins nor ends with a blank: databases
    compare text without the blanks at its end.
    """
    if not 0 < len(text) <= longest:
        return f"has {len(text)} characters, expected 1 to {longest}"
    if not text.isprintable() and (found := UNPRINTABLE.search(text)) is not None:
        return f"has the control character U+{ord(found[0]):04X} at position {found.start() + 1}"
    return "begins or ends with a blank" if text != text.strip() else ""

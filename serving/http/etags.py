"""Weak comparison of entity tags (RFC 9110, section 8.8.3.2): by the text between the quotes."""

import re
from typing import Final

ENTITY_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def matches(if_none_match: str, etag: str) -> bool:
    """Whether the header If-None-Match matches the tag: it lists the tag, weak or strong, or is ``*``."""
    return (
        if_none_match == etag
        or if_none_match.strip() == "*"
        or etag.removeprefix("W/") in ENTITY_TAG.findall(if_none_match)
    )

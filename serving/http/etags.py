"""Entity tags as RFC 9110 compares them (section 8.8.3.2, *weak comparison*): by what stands between the quotes."""

import re
from typing import Final

TAGS: Final = re.compile(r'(?:W/)?("[^"]*")')


def matches(if_none_match: str, etag: str) -> bool:
    """Whether a header If-None-Match names the tag: it is one of its list, weak or strong, or the header is ``*``."""
    return (
        if_none_match == etag or if_none_match.strip() == "*" or etag.removeprefix("W/") in TAGS.findall(if_none_match)
    )

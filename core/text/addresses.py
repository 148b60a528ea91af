"""Addresses of databases and servers: refused where libraries would read them differently, shown without secrets.

RFC 3986 has ``# / ? @ %`` stand for themselves only as %23 %2F %3F %40 %25. A password that holds them as they are is
cut in different places by SQLAlchemy, redis-py and urllib, and their messages quote the pieces.
"""

import inspect
import re
from collections.abc import Collection
from typing import Final
from urllib.parse import unquote, urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

FILE_SCHEMES: Final = ("sqlite", "file", "unix")
"""Addresses of files, in whose names these characters are allowed."""

SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
STRAY_PERCENT: Final = re.compile(r"%(?![2-9A-Fa-f][0-9A-Fa-f])")
"""A % that begins no escape, or that of a control character."""

ESCAPES: Final = "in a user name or password # / ? @ % are written as %23 %2F %3F %40 %25"


def check_address(text: str, schemes: Collection[str], example: str) -> None:
    """Raise ValueError if the text is no address of these schemes that every library reads alike.

    The message quotes nothing of the text, whose pieces may be pieces of a password, and no other error is chained.
    """
    scheme = SCHEME.match(text)
    if scheme is None or not _is_unambiguous(scheme[1], text[scheme.end() :]):
        raise ValueError(f"expected an address such as {example}; {ESCAPES}")
    if scheme[1] not in schemes and scheme[1].partition("+")[0] not in schemes:
        raise ValueError(f"expected an address such as {example}; it may begin with {', '.join(schemes)}")


def _is_unambiguous(scheme: str, rest: str) -> bool:
    if scheme in FILE_SCHEMES:
        return True
    if "#" in rest or rest.count("@") > 1 or STRAY_PERCENT.search(rest) or re.search(r"\s", rest):
        return False
    if "\N{REPLACEMENT CHARACTER}" in unquote(rest):
        return False
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in rest and "@" not in authority:
        return False
    try:
        host, port = urlsplit(f"//{authority}").hostname, urlsplit(f"//{authority}").port
    except ValueError:
        return False
    return port != 0 and (host is not None or scheme not in ("http", "https"))


def as_database_url(text: str) -> URL | None:
    """The address as SQLAlchemy reads it; None if it does not."""
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        return None


def has_known_parameters(address: URL) -> bool:
    """Whether the driver accepts what stands behind the ``?``: it raises for others, at the first connection."""
    if not address.query:
        return True
    from pymysql.connections import Connection

    dialect = address.get_dialect()()
    try:
        _, parameters = dialect.create_connect_args(address)
        if dialect.name != "sqlite":  # which passes unknown ones on to the file's address
            inspect.signature(Connection).bind_partial(**parameters)
    except (TypeError, ValueError):
        return False
    return True


def shown(address: URL) -> str:
    """The address for people: without its password, and without its parameters, which may hold one as well."""
    return address.set(query={}).render_as_string(hide_password=True)

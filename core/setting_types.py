"""The kinds of values that settings have, each with its check. A message says what is allowed, never what was read."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import NoDecode

from core.text.addresses import as_database_url, check_address, has_known_parameters
from core.text.cron import is_cron

DRIVERS: Final = ("sqlite", "mysql+pymysql", "mariadb+pymysql")
DATABASE_EXAMPLE: Final = "mysql+pymysql://user:password@host/database"
REDIS_EXAMPLE: Final = "redis://:password@host:6379/0"
TRACKING_SCHEMES: Final = ("http", "https", "sqlite", "mysql", "mariadb", "postgresql", "mssql", "file")
REDIS_SCHEMES: Final = ("redis", "rediss", "unix")

LONGEST_NAME: Final = 253
"""Characters of a host name (RFC 1035)."""
LONGEST_PATH: Final = 1_024
HOST_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
ORIGIN: Final = re.compile(r"\*|https?://[A-Za-z0-9._:\[\]-]+")
REDIS_DATABASE: Final = re.compile(r"rediss?://[^/?]*(?:/\d*)?(?:\?.*)?", re.DOTALL)
"""redis-py takes another path than a number for database 0, without a word."""
SHORTEST_SIGNING_KEY: Final = 16


def without_control_characters(value: object) -> object:
    """The value. Raises ValueError for text with control characters or bytes that are not UTF-8."""
    if isinstance(value, str) and not all(map(_is_text, value)):
        msg = "expected UTF-8 text without control characters; a carriage return comes from Windows line ends"
        raise ValueError(msg)
    return value


def _is_text(character: str) -> bool:
    return character >= " " and not "\x7f" <= character <= "\x9f" and not "\ud800" <= character <= "\udfff"


def _check_database(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    check_address(text, DRIVERS, DATABASE_EXAMPLE)
    address = as_database_url(text)
    if address is None or address.drivername not in DRIVERS:
        raise ValueError(f"expected an address such as {DATABASE_EXAMPLE}; drivers are {', '.join(DRIVERS)}")
    if address.database in (None, "", ":memory:"):
        raise ValueError(f"the address names no database that lasts; expected one such as {DATABASE_EXAMPLE}")
    if not has_known_parameters(address):
        msg = "a parameter behind the ? is none of the driver's, or has a value of another type"
        raise ValueError(msg)
    return value


def _check_redis(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    check_address(text, REDIS_SCHEMES, REDIS_EXAMPLE)
    if not text.startswith("unix:") and REDIS_DATABASE.fullmatch(text) is None:
        raise ValueError(f"expected the number of the database behind the host, as in {REDIS_EXAMPLE}")
    return value


def _check_tracking(value: str) -> str:
    check_address(value, TRACKING_SCHEMES, "http://user:password@host:5000 or sqlite:///mlruns/mlflow.db")
    return value


def _check_service(value: str) -> str:
    check_address(value, ("http", "https"), "http://127.0.0.1:8000")
    return value


def _check_key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable()) or " " in text:
        msg = "expected printable ASCII characters without blanks, as in an HTTP header"
        raise ValueError(msg)
    return value


def _check_signing_key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_SIGNING_KEY:
        raise ValueError(f"expected at least {SHORTEST_SIGNING_KEY} characters, as from `openssl rand -hex 32`")
    return value


def _check_host(value: str) -> str:
    if not _is_host(value):
        msg = "expected a host name or an IP address"
        raise ValueError(msg)
    return value


def _check_host_patterns(values: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_is_host(value.removeprefix("*.").removeprefix("[").removesuffix("]")) for value in values):
        msg = "expected host names, with *.example.com for all below one"
        raise ValueError(msg)
    return values


def _is_host(text: str) -> bool:
    return len(text) <= LONGEST_NAME and (HOST_NAME.fullmatch(text) is not None or _is_address(text))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _check_networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            msg = "expected addresses or networks such as 127.0.0.1, 10.0.0.0/8"
            raise ValueError(msg) from None
    return values


def _check_origins(values: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(ORIGIN.fullmatch, values)):
        msg = "expected web origins such as https://odds.example, without a path"
        raise ValueError(msg)
    return values


def _check_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        msg = "expected the name of an IANA time zone such as UTC or America/New_York"
        raise ValueError(msg) from None
    return value


def _check_cron(value: str) -> str:
    if not is_cron(value):
        msg = "expected five fields of a cron expression that is due at some time, such as 0 6 * * *"
        raise ValueError(msg)
    return value


def _check_file(value: Path) -> Path:
    """A pipe is refused, because reading it would wait for a writer."""
    try:
        is_file = value.is_file()
    except OSError:
        is_file = False  # the name is too long
    if not is_file:
        msg = "expected the path of a regular file that exists"
        raise ValueError(msg)
    return value


def _check_folder(value: Path) -> Path:
    try:
        nearest = next(path for path in (value, *value.absolute().parents) if path.exists())
        is_possible = nearest.is_dir() and len(str(value)) <= LONGEST_PATH
    except OSError:
        is_possible = False  # a name is too long
    if not is_possible:
        msg = "expected the path of a folder, or of one that can be created"
        raise ValueError(msg)
    return value


DatabaseAddress = Annotated[SecretStr, AfterValidator(_check_database)]
RedisAddress = Annotated[SecretStr, AfterValidator(_check_redis)]
TrackingAddress = Annotated[str, AfterValidator(_check_tracking), Field(repr=False)]
ServiceAddress = Annotated[str, AfterValidator(_check_service), Field(repr=False)]
HeaderKey = Annotated[SecretStr, AfterValidator(_check_key)]
SigningKey = Annotated[SecretStr, AfterValidator(_check_signing_key)]
HostName = Annotated[str, AfterValidator(_check_host)]
HostPatterns = Annotated[tuple[str, ...], NoDecode, AfterValidator(_check_host_patterns)]
Networks = Annotated[tuple[str, ...], NoDecode, AfterValidator(_check_networks)]
Origins = Annotated[tuple[str, ...], NoDecode, AfterValidator(_check_origins)]
TimeZoneName = Annotated[str, AfterValidator(_check_time_zone)]
CronExpression = Annotated[str, AfterValidator(_check_cron)]
File = Annotated[Path, AfterValidator(_check_file)]
Folder = Annotated[Path, AfterValidator(_check_folder)]

"""Keeps secrets out of whatever leaves the process: printed, logged, answered or stored with a run.

Errors of MLflow, SQLAlchemy, redis-py and others quote addresses and arguments. ``redact`` masks every value that
``conceal`` was given, however it is spelt, and the credentials of any address. What comes of it depends on no caller:
our errors call it for their message, the log for each line, the command for its output.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Final
from urllib.parse import unquote, unquote_plus

MASK: Final = "***"

SHORTEST_WORD: Final = 6
SHORTEST_WITH_SIGNS: Final = 4
"""Shorter values are masked in addresses only: elsewhere they would mask ordinary words, and be guessed from that."""

SECRET_NAME: Final = re.compile(
    r"passw(?:or)?d|passphrase|pwd|secret|token|api[-_]?key|signing[-_]?key|access[-_]?key|auth(?:orization|_string)|cookie",
    re.IGNORECASE,
)
"""Names of settings, log fields, headers and parameters of addresses whose value is a secret."""

SECRET_VARIABLE: Final = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET(?:_ACCESS)?(?:_KEY)?|TOKEN|API_?KEY|SIGNING_KEY|AUTH_STRING)$", re.IGNORECASE
)
"""Names of environment variables, also of the libraries, whose value is a secret. PWD is a folder."""

_USERINFO: Final = re.compile(r"(?P<scheme>\w[\w+.-]{0,31})://(?P<user>[^:/@\[]*)(?::(?P<password>.*))?@", re.DOTALL)
_PARAMETER: Final = re.compile(r"[?&;](?P<name>[^=&;#\s]+)=(?P<value>[^&;]*)")

# Both begin with fixed text, so that a search of long text is fast, and their length is bounded, so that it stays so.
_PASSWORD_IN_ADDRESS: Final = re.compile(
    r"(?P<head>://[^\s:/@\[]{0,256}:)"
    r"(?!password@)(?:[^\s\"']{1,256}(?=@)|(?!\d{1,5}(?:[^\w@]|$))[^\s\"'@:/\[\]][^\s\"'@]{0,256}(?=[\s\"']|$))"
)
"""Greedy, because a password may hold an unquoted slash or @; without an @ the address was cut in its password. The
word ``password`` stands for one in our own messages."""

_TOKEN_IN_ADDRESS: Final = re.compile(r"(?P<head>https?://)[^\s:/@\[\"'?#]{1,256}(?=@)")
_SECRET_PARAMETER: Final = re.compile(
    rf"(?P<head>[?&;](?:[\w-]{{0,32}}(?:{SECRET_NAME.pattern}))=)[^&;\s\"']+", re.IGNORECASE
)


def credentials_in(address: str) -> Iterator[str]:
    """The passwords and tokens in an address, as written and decoded; also in one that no library would accept."""
    found = _USERINFO.match(address)
    if found is not None:
        user, password = found["user"], found["password"]
        if password is not None:
            yield from {password, unquote(password)}
            yield b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()  # as in HTTP's header
        elif found["scheme"] in ("http", "https"):
            yield from {user, unquote(user)}
    for parameter in _PARAMETER.finditer(address):
        if SECRET_NAME.search(parameter["name"]):
            yield from {parameter["value"], unquote_plus(parameter["value"])}


def _is_distinct(value: str) -> bool:
    return len(value) >= (SHORTEST_WORD if value.isalnum() else SHORTEST_WITH_SIGNS)


def _any_spelling(value: str) -> str:
    """A pattern of the value as it is, percent-encoded in any part, escaped in a literal, in JSON or in HTML."""
    return "".join(map(_any_spelling_of_character, value))


def _any_spelling_of_character(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    encoded = character.encode("utf-8", "surrogateescape")
    code = ord(character)
    spellings = [
        rf"\\*{re.escape(character)}",
        "(?i:" + "".join(rf"%(?:25)*{byte:02x}" for byte in encoded) + ")",
        "(?i:" + "".join(rf"\\+x{byte:02x}" for byte in encoded) + ")",
        rf"(?i:\\+(?:u{code:04x}|U{code:08x}|x{code:02x})|&#(?:0*{code}|x0*{code:x});)",
    ]
    if escape(character) != character:
        spellings.append(escape(character))
    if character == " ":
        spellings.append(r"\+")
    return f"(?:{'|'.join(spellings)})"


class Redactor:
    """Masks certain values, and credentials in addresses."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = frozenset(value for value in values if _is_distinct(value))
        ordered = sorted(self.values, key=len, reverse=True)
        self._plain_parts = tuple({max(re.findall("[A-Za-z0-9]*", value), key=len) for value in ordered})
        self._spellings = re.compile("|".join(map(_any_spelling, ordered)))

    def __call__(self, text: str) -> str:
        """The text with the mask in place of every secret."""
        if any(part in text for part in self._plain_parts):
            text = self._spellings.sub(MASK, text)
        if "://" in text:
            text = _PASSWORD_IN_ADDRESS.sub(rf"\g<head>{MASK}", text)
            text = _TOKEN_IN_ADDRESS.sub(rf"\g<head>{MASK}", text)
        return _SECRET_PARAMETER.sub(rf"\g<head>{MASK}", text) if "=" in text else text


_redactor = Redactor(())


def conceal(*values: str) -> None:
    """Mask these values from now on, in the whole process. Of an address, its credentials are concealed."""
    global _redactor  # noqa: PLW0603 - what the process knows and must never show
    known = _redactor.values.union(*(credentials_in(value) if "://" in value else (value,) for value in values))
    if known != _redactor.values:
        _redactor = Redactor(known)


def conceal_environment(variables: Mapping[str, str | None]) -> None:
    """Conceal what variables of this and other programs hold: secrets by their name, and credentials in addresses."""
    conceal(*(value for name, value in variables.items() if value and ("://" in value or SECRET_VARIABLE.search(name))))


def redact(text: str) -> str:
    """The text with the mask in place of every secret."""
    return _redactor(text)


def words_of(error: BaseException, limit: int = 300) -> str:
    """The first line of a foreign error's text without secrets, at most so long; its class if it has none.

    Redacts before it cuts: half a secret is not recognised.
    """
    return (redact(str(error)).strip().splitlines() or [type(error).__name__])[0][:limit]

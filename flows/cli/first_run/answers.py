"""The questions of the first run: answered on a terminal, or by their defaults where there is none."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import typer
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticValidationError
from sqlalchemy.engine import make_url

from core.errors import ConfigurationError
from core.setting_types import DatabaseAddress, HeaderKey, RedisAddress
from core.text.nearest import nearest
from core.text.redaction import conceal

SQLITE: Final = "sqlite"
NONE: Final = "none"
SAMPLE: Final = "sample"
PUBLISHED: Final = "published"
CALLS_PER_DAY: Final = 500
MOST_CALLS: Final = 1_000_000

Checked = TypeVar("Checked")


class Answers(Protocol):
    """One method per question; each is called only where no option, setting or file answers it."""

    def database(self) -> str:
        """``sqlite``, or an address."""

    def redis(self) -> str:
        """``none``, or an address."""

    def bot_database(self) -> str:
        """``none``, or an address."""

    def leagues(self, keys: Sequence[str], default: Sequence[str]) -> list[str]:
        """Keys of leagues."""

    def feeds(self, titles: Mapping[str, str]) -> list[str]:
        """Names of feeds."""

    def calls_per_day(self, feed: str) -> int:
        """The calls that the feed's plan allows in a day."""

    def feed_key(self, feed: str, variable: str) -> str:
        """The feed's key."""

    def history(self, default: str) -> str:
        """``sample``, ``published``, ``none``, or a path."""


class DefaultAnswers:
    """Asks nothing. A key has no default: without it, ``feed_key`` raises ConfigurationError."""

    def database(self) -> str:
        return SQLITE

    def redis(self) -> str:
        return NONE

    def bot_database(self) -> str:
        return NONE

    def leagues(self, keys: Sequence[str], default: Sequence[str]) -> list[str]:  # noqa: ARG002
        return list(default)

    def feeds(self, titles: Mapping[str, str]) -> list[str]:  # noqa: ARG002
        return []

    def calls_per_day(self, feed: str) -> int:  # noqa: ARG002
        return CALLS_PER_DAY

    def feed_key(self, feed: str, variable: str) -> str:
        msg = f"{variable} is not set; {feed} needs a key."
        hint = "Set it in the environment for this command, which writes it to .env."
        raise ConfigurationError(msg, hint=hint, variable=variable)

    def history(self, default: str) -> str:
        return default


class TerminalAnswers:
    """Asks on standard error, again after a wrong answer. Passwords and keys are read without an echo."""

    def database(self) -> str:
        text = "Database: sqlite for a file, or an address such as mysql+pymysql://user@host/database"
        return _ask_address(text, SQLITE, DatabaseAddress)

    def redis(self) -> str:
        return _ask_address("Redis: none, or an address such as redis://127.0.0.1:6379/0", NONE, RedisAddress)

    def bot_database(self) -> str:
        text = "The bot's database, only read: none, or an address such as mysql+pymysql://reader@host/dbsbm"
        return _ask_address(text, NONE, DatabaseAddress)

    def leagues(self, keys: Sequence[str], default: Sequence[str]) -> list[str]:
        return _ask_names("Leagues, separated by commas", ",".join(default), keys)

    def feeds(self, titles: Mapping[str, str]) -> list[str]:
        for name, title in titles.items():
            typer.echo(f"  {name}: {title}", err=True)
        return _ask_names("Feeds of live games and prices, separated by commas, or none", NONE, list(titles))

    def calls_per_day(self, feed: str) -> int:
        text = f"Calls in a day that your plan of {feed} allows"
        ask = partial(typer.prompt, text, default=str(CALLS_PER_DAY), err=True)
        return _ask_until(ask, _checked_calls)

    def feed_key(self, feed: str, variable: str) -> str:
        return _ask_until(lambda: _ask_hidden(f"Key of {feed} ({variable}; not shown)"), _checked_by(HeaderKey))

    def history(self, default: str) -> str:
        typer.echo("  sample: EPL and La Liga 2023-24, which are installed; needs no network", err=True)
        typer.echo("  published: the last seasons, downloaded from the sites that publish them", err=True)
        text = "Finished games to learn from: sample, published, none, or a folder of CSV files"
        return str(typer.prompt(text, default=default, err=True)).strip()


def _ask_address(text: str, default: str, kind: Any) -> str:
    """The default's word, or an address; its password is asked without an echo where the address has none."""

    def ask() -> str:
        answer = str(typer.prompt(text, default=default, err=True)).strip()
        conceal(answer)
        return answer

    def check(answer: str) -> str:
        if answer == default:
            return answer
        return _checked_by(kind)(_with_password(_checked_by(kind)(answer)))

    return _ask_until(ask, check)


def _with_password(address: str) -> str:
    url = make_url(address)
    if url.password is not None or url.host is None:
        return address
    password = _ask_hidden("Its password (not shown; empty for none)", default="")
    if not password:
        return address
    return url.set(username=url.username or "", password=password).render_as_string(hide_password=False)


def _ask_hidden(text: str, default: str | None = None) -> str:
    answer = str(typer.prompt(text, default=default, hide_input=True, show_default=False, err=True)).strip()
    conceal(answer)
    return answer


def _ask_names(text: str, default: str, known: Sequence[str]) -> list[str]:
    spellings = {name.casefold(): name for name in known}

    def check(answer: str) -> list[str]:
        if answer == NONE == default:
            return []
        names = [part.strip() for part in answer.split(",") if part.strip()]
        for name in names:
            if name.casefold() not in spellings:
                close = nearest(name, known) or tuple(known)
                raise ValueError(f"unknown: {name!r}; nearest: {', '.join(close)}")
        return list(dict.fromkeys(spellings[name.casefold()] for name in names))

    return _ask_until(lambda: str(typer.prompt(text, default=default, err=True)).strip(), check)


def _ask_until(ask: Callable[[], str], check: Callable[[str], Checked]) -> Checked:
    """Ask until the answer passes the check, which raises ValueError for a wrong one."""
    while True:
        try:
            return check(ask())
        except ValueError as error:
            typer.echo(f"  {error}", err=True)


def _checked_calls(answer: str) -> int:
    if not (answer.isascii() and answer.isdecimal()) or not 1 <= int(answer) <= MOST_CALLS:
        raise ValueError(f"expected a number from 1 to {MOST_CALLS:,}")
    return int(answer)


def _checked_by(kind: Any) -> Callable[[str], str]:
    """A check by the type of a setting; its message never repeats the answer."""
    adapter = TypeAdapter(kind)

    def check(answer: str) -> str:
        try:
            adapter.validate_python(answer)
        except PydanticValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return answer

    return check

"""The `.env` file: which settings it has, and settings added to it. What it has is never changed."""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic_settings import DotEnvSettingsSource

from core.errors import ConfigurationError
from core.files.atomic import write_file
from core.settings import ENCODING, Settings

PRIVATE: Final = 0o600
HEADING: Final = "# Written by `dbsbm init`. .env.example describes every setting."
PLAIN: Final = re.compile(r"[\w./:@%+,=?&~*\[\]-]*", re.ASCII)
"""Values that need no quotes."""
UNWRITABLE: Final = ("'", "\\", "${", "\n", "\r")
"""What quotes do not protect in this file."""


def read_env(path: Path) -> dict[str, str]:
    """The file's settings by variable, empty ones included; none without a file."""
    if not path.is_file():
        return {}
    values = DotEnvSettingsSource(Settings, path, ENCODING, env_ignore_empty=False).env_vars
    return {name.upper(): value or "" for name, value in values.items()}


def add_settings(path: Path, values: Mapping[str, str]) -> list[str]:
    """Add the settings that the file lacks or has without a value; returns their names.

    The file is replaced as a whole and readable by its owner only; a link to it stays a link. Two processes that add to
    it take turns, and the later one keeps what the earlier one wrote. Raises ConfigurationError for a value that such a
    file cannot hold.
    """
    target = path.resolve()
    with _alone_in(target.parent):
        present = read_env(target)
        missing = {
            name: value for name, value in values.items() if not present.get(name) and value != present.get(name)
        }
        if missing:
            text = target.read_bytes().decode(ENCODING) if target.is_file() else ""
            write_file(target, with_settings(text, missing).encode(), mode=PRIVATE)
    return sorted(missing)


def with_settings(text: str, values: Mapping[str, str]) -> str:
    """The content of the file with the settings in it: in place of an assignment without a value, else at the end."""
    appended = []
    for name, value in values.items():
        line = f"{name}={_quoted(name, value)}"
        unset = re.search(rf"(?m)^{name}=[ \t]*$", text)
        if unset is None:
            appended.append(line)
        else:
            text = text[: unset.start()] + line + text[unset.end() :]
    if not appended:
        return text
    before = text if not text or text.endswith("\n") else f"{text}\n"
    heading = [] if HEADING in text else [HEADING]
    return before + "\n".join(([""] if before else []) + heading + appended) + "\n"


def _quoted(name: str, value: str) -> str:
    if any(sign in value for sign in UNWRITABLE):
        msg = f"{name}: the value has a sign that .env cannot hold (a quote, a backslash or ${{)."
        raise ConfigurationError(msg, hint="In an address write it as %27, %5C or %24%7B.", variable=name)
    return value if PLAIN.fullmatch(value) else f"'{value}'"


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder; it ends with the process at the latest."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

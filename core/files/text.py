"""Files that people write, such as tables and TOML: regular files only, decoded by their byte-order mark."""

import codecs
import os
import stat
import tomllib
from pathlib import Path
from typing import Any, BinaryIO, Final

from core.errors import ValidationError

MOST_TOML: Final = 4 << 20
"""Bytes of a TOML file; one that is written by hand is far smaller."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""UTF-32 comes before UTF-16, whose mark begins its own."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; a pipe or a device, which may never end, is refused.

    Raises ValidationError with the path and what is there instead.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ValidationError(f"{path}: {(error.strerror or 'cannot be opened').lower()}.", field="PATH") from error
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        found = {stat.S_IFIFO: "a pipe", stat.S_IFDIR: "a folder"}.get(kind, "a device")
        raise ValidationError(f"{path}: expected a file, found {found}.", field="PATH")
    return os.fdopen(descriptor, "rb")


def split_mark(content: bytes) -> tuple[str, bytes]:
    """The encoding that a byte-order mark names and the content behind the mark; an empty name without a mark."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding, content[len(mark) :]
    return "", content


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file: UTF-8, or what its byte-order mark says. Raises ValidationError with the path."""
    with open_regular(path) as file:
        content = file.read(MOST_TOML + 1)
    if len(content) > MOST_TOML:
        raise ValidationError(f"{path}: larger than {MOST_TOML >> 20} MiB.", field="PATH")
    encoding, content = split_mark(content)
    try:
        return tomllib.loads(content.decode(encoding or "utf-8").replace("\r\n", "\n"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValidationError(f"{path}: not TOML: {error}.", field="PATH") from error

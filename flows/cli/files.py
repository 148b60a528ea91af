"""A file that a command is told to write: refused before the work is done where it cannot be, and in words after it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ValidationError


def must_be_writable(path: Path) -> None:
    """Raises ValidationError when there is no such folder, the path is one, or it may not be written."""
    if path.is_dir():
        raise _refused(path, "it is a folder")
    if not path.parent.is_dir():
        raise _refused(path, f"there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise _refused(path, "permission denied")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside, what goes wrong with the file is told in words. Raises ValidationError."""
    try:
        yield
    except OSError as error:
        raise _refused(path, (error.strerror or "input or output failed").lower()) from error


def _refused(path: Path, why: str) -> ValidationError:
    return ValidationError(f"--output: {path} cannot be written: {why}.", field="output")

"""The file of an ``--output`` option: checked before the work, and its errors reported as usage errors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ValidationError


def must_be_writable(path: Path) -> None:
    """Raises ValidationError if the folder does not exist, the path is a folder, or it may not be written."""
    if path.is_dir():
        raise _unwritable(path, "it is a folder")
    if not path.parent.is_dir():
        raise _unwritable(path, f"there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise _unwritable(path, "permission denied")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a ValidationError that names the file."""
    try:
        yield
    except OSError as error:
        raise _unwritable(path, (error.strerror or "input or output failed").lower()) from error


def _unwritable(path: Path, why: str) -> ValidationError:
    return ValidationError(f"--output: {path} cannot be written: {why}.", field="output")

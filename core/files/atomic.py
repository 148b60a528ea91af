"""Writing a file as a whole: a reader sees the old content or the new one, never a part of either."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

DEFAULT_MODE: Final = 0o666
"""Permissions before the process's umask is applied, as for a file made by ``open``."""


@contextmanager
def atomic_file(path: Path, *, mode: int = DEFAULT_MODE, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file for writing bytes and rename it to ``path`` when the block ends.

    The temporary file lies in the same folder, which must exist, so that the rename replaces ``path`` in one step
    (rename(2)). Its name begins with a dot and is random, and it is created exclusively: two writers of one path never
    share a file, the later one replaces the earlier one's, and a link planted under the name is not followed.

    ``mode`` holds the permissions of the new file, of which the umask takes its part; those of a replaced file are not
    kept. With ``durable`` the content is on disk before the rename (fsync), and the rename itself before this returns;
    without it a power cut may leave an empty file, which suits files that can be made again.

    If the block or a step after it raises, the temporary file is removed, ``path`` stays as it was, and the error goes
    to the caller: OSError for whatever the disk refuses. A process that is killed leaves the temporary file behind.
    """
    with _placing(path, Path.replace, mode=mode, durable=durable) as file:
        yield file


def write_file(path: Path, content: bytes, *, mode: int = DEFAULT_MODE, durable: bool = True) -> None:
    """Replace the file's content in one step; the rest is as for ``atomic_file``."""
    with atomic_file(path, mode=mode, durable=durable) as file:
        file.write(content)


def write_new_file(path: Path, content: bytes, *, mode: int = DEFAULT_MODE) -> None:
    """Create the file in one step. Raises FileExistsError, and leaves the file as it is, if there is one already."""
    with _placing(path, os.link, mode=mode, durable=True) as file:
        file.write(content)


@contextmanager
def _placing(path: Path, place: Callable[[Path, Path], object], *, mode: int, durable: bool) -> Iterator[BinaryIO]:
    """Open a temporary file that ``place`` puts under its name when the block ends."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        place(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    if durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names in the folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

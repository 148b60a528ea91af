"""The files of a spool, as any process may read them: whole lines, under a lock that their writer holds meanwhile.

A line ends with its signature, which covers the database that it is for. So lines that another program wrote, or that
were copied from the spool of another database, are never written to a database.
"""

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from core.signing import Signer

FOLDER: Final = "spool"
ENDING: Final = ".jsonl"
REFUSED_ENDING: Final = ".refused"
PURPOSE: Final = "spool"
SEPARATOR: Final = b"\t"
"""Between a line and its signature; JSON holds no plain tab."""
WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class SpoolFile:
    """A file without a writer, locked by its reader."""

    path: Path
    lines: tuple[bytes, ...]
    """Whole lines, without line breaks."""
    is_private: bool
    """Whether no other user can have written it: this one owns it and its folder, and both deny writing to others."""
    refused: int = 0
    """Lines that are left out, because they have no valid signature."""

    def delete(self) -> None:
        """Delete the file, once its lines are in the database."""
        self.path.unlink(missing_ok=True)

    def set_aside(self) -> Path:
        """Rename the file, so that no process reads it again but a person can; return its new path."""
        return self.path.rename(self.path.with_name(self.path.name + REFUSED_ENDING))


def files_of(folder: Path) -> list[Path]:
    """Return the regular files in the folder, the oldest first; a pipe under such a name would never end."""
    return [path for path in sorted(folder.glob(f"*{ENDING}")) if _is_regular(path)]


def spool_folders(root: Path) -> list[Path]:
    """Return every spool below SERVING_DIR, of whatever database."""
    return sorted(root.glob(f"*/{FOLDER}"))


def refused_files(root: Path) -> list[Path]:
    """Return every file below SERVING_DIR that was set aside."""
    return sorted(root.glob(f"*/{FOLDER}/*{ENDING}{REFUSED_ENDING}"))


def unsigned_files_of_others(root: Path) -> list[Path]:
    """Return the files of earlier versions whose lines are not accepted, because others can have written them."""
    found = []
    for path in [path for folder in spool_folders(root) for path in files_of(folder)]:
        with claim(path) as file:
            if file is not None and not file.is_private and not all(map(is_signed, file.lines)):
                found.append(path)
    return found


@contextmanager
def claim(path: Path) -> Iterator[SpoolFile | None]:
    """Lock the file for the duration of the block; None if it has a writer, is gone or is not a regular file."""
    with _open_regular(path) as file:
        if file is None or not _try_lock(file) or not os.fstat(file.fileno()).st_nlink:
            yield None
            return
        *lines, _torn = file.read().split(b"\n")
        is_private = _denies_others(os.fstat(file.fileno())) and _denies_others(path.parent.stat())
        yield SpoolFile(path, tuple(lines), is_private)


def sign_line(signer: Signer, owner: str, line: bytes) -> bytes:
    """Return the line with its signature, for the spool of that database."""
    return line + SEPARATOR + signer.sign(_signed_part(owner, line)).encode()


def verify_line(signer: Signer, owner: str, signed: bytes) -> bytes | None:
    """Return the line without its signature; None if that is not valid for the spool of that database."""
    line, _, signature = signed.rpartition(SEPARATOR)
    is_valid = bool(line) and signer.verifies(_signed_part(owner, line), signature.decode("latin-1"))
    return line if is_valid else None


def is_signed(line: bytes) -> bool:
    """Whether the line bears a signature, valid or not."""
    return SEPARATOR in line


class LineCounts:
    """Counts lines of files that begin with a prefix; a file is read again only when its size has changed."""

    def __init__(self, prefix: bytes) -> None:
        self._prefix = b"\n" + prefix
        self._counts: dict[Path, tuple[int, int]] = {}
        """Size and count of each file."""

    def count(self, paths: Iterable[Path]) -> int:
        """Return the number of such lines in the files together; those that are gone count nothing."""
        return sum(map(self._count, paths))

    def forget_others(self, paths: Iterable[Path]) -> None:
        """Forget files that are not among these."""
        counts, wanted = self._counts, set(paths)
        self._counts = {path: entry for path, entry in list(counts.items()) if path in wanted}

    def _count(self, path: Path) -> int:
        with suppress(OSError):  # gone meanwhile, or of another user
            size = path.stat().st_size
            before = self._counts.get(path)
            if before is None or before[0] != size:
                whole, _, _torn = path.read_bytes().rpartition(b"\n")
                before = size, (b"\n" + whole).count(self._prefix) if whole else 0
                self._counts[path] = before
            return before[1]
        return 0


def _is_regular(path: Path) -> bool:
    with suppress(OSError):  # gone meanwhile
        return stat.S_ISREG(path.lstat().st_mode)
    return False


@contextmanager
def _open_regular(path: Path) -> Iterator[BinaryIO | None]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    with os.fdopen(descriptor, "rb") as file:
        yield file if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _denies_others(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & WRITABLE_BY_OTHERS


def _signed_part(owner: str, line: bytes) -> bytes:
    return owner.encode() + b"\n" + line

"""Lines on disk that wait for a database that is away: bounded, shared by a machine's workers, whole or not there.

Each worker appends to a file of its own, which it holds locked. A file that nobody holds is whole, or its writer died;
either way anybody may read it, write its lines where they belong and delete it. A line counts from its line break on.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from core.logs import get_logger

FILE_BYTES: Final = 512 * 1024
"""A file that has grown beyond this is followed by another. A file is read and written to its place in one go."""

ENDING: Final = ".jsonl"

log = get_logger(__name__)


@dataclass(frozen=True)
class SpoolFile:
    """A file that nobody writes any more, held by whoever reads it."""

    path: Path
    lines: tuple[bytes, ...]

    def delete(self) -> None:
        """Its lines are where they belong."""
        self.path.unlink(missing_ok=True)


class Spool:
    """A folder of such files; ``limit`` is how large they may grow together [bytes]. Belongs to one thread.

    Lines that begin with ``counted`` make up its depth.
    """

    def __init__(self, folder: Path, limit: int, file_bytes: int = FILE_BYTES, counted: bytes = b"") -> None:
        self._folder = folder
        self._limit = limit
        self._file_bytes = file_bytes
        self._begins = b"\n" + counted
        self._file: FileIO | None = None
        self._counted: dict[Path, tuple[int, int]] = {}

    def append(self, lines: list[bytes]) -> bool:
        """Write the lines and see them on the disk; False if there is no room or no disk, and then none counts."""
        content = b"".join(line + b"\n" for line in lines)
        if self.size() + len(content) > self._limit:
            return False
        try:
            file = self._file or self._opened()
            before = file.seek(0, os.SEEK_END)
            if before > self._file_bytes:
                self.seal()
                file, before = self._opened(), 0
            self._write(file, before, content)
        except OSError as error:
            log.warning("served predictions cannot be written to disk", reason=error.strerror)
            self.seal()
            return False
        return True

    def seal(self) -> None:
        """Let go of the file under way; the next lines begin another."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a disk that is full may say so once more
                file.close()

    @contextmanager
    def oldest(self) -> Iterator[SpoolFile | None]:
        """The oldest file that nobody holds, held during the block; None if there is none."""
        for path in self._paths():
            with suppress(FileNotFoundError), path.open("rb") as file:
                if _held(file) and os.fstat(file.fileno()).st_nlink:
                    *lines, _torn = file.read().split(b"\n")
                    yield SpoolFile(path, tuple(lines))
                    return
        yield None

    def size(self) -> int:
        """Bytes of all files."""
        total = 0
        for path in self._paths():
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def depth(self) -> int:
        """Lines of all files that count, whoever wrote them."""
        counted = {}
        for path in self._paths():
            with suppress(FileNotFoundError):
                size = path.stat().st_size
                known = self._counted.get(path)
                counted[path] = known if known and known[0] == size else (size, self._depth_of(path))
        self._counted = counted
        return sum(lines for _, lines in counted.values())

    def _depth_of(self, path: Path) -> int:
        whole, _, _torn = path.read_bytes().rpartition(b"\n")
        return (b"\n" + whole).count(self._begins) if whole else 0

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{ENDING}"))

    def _opened(self) -> FileIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Unbuffered, so that what a full disk did not take is not tried again when the file is closed.
        file = (self._folder / f"{time.time_ns():020}-{os.getpid()}{ENDING}").open("xb", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX)
        if not os.fstat(file.fileno()).st_nlink:
            file.close()  # somebody took it for a dead worker's, before it was held
            return self._opened()
        _sync_folder(self._folder)
        self._file = file
        return file

    def _write(self, file: FileIO, before: int, content: bytes) -> None:
        """Write behind ``before``; what is there afterwards ends with a whole line, whatever happens."""
        try:
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise


def _held(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

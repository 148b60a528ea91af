"""Lines on disk that wait for the database: bounded in size, shared by a machine's workers, each line whole or absent.

Each worker appends to a file of its own, which it keeps locked. An unlocked file is complete, or its writer died; in
both cases any worker may read it, write its lines to the database and delete it. A line is complete once its line break
is written.
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
"""After a file has grown beyond this size, a new one is begun. A file is read and written to the database at once."""

ENDING: Final = ".jsonl"

log = get_logger(__name__)


@dataclass(frozen=True)
class SpoolFile:
    """A file without a writer, locked by its reader."""

    path: Path
    lines: tuple[bytes, ...]

    def delete(self) -> None:
        """Delete the file, once its lines are in the database."""
        self.path.unlink(missing_ok=True)


class Spool:
    """A folder of such files; ``limit`` is their greatest total size [bytes]. Belongs to one thread.

    Lines that begin with ``counted_prefix`` make up its depth.
    """

    def __init__(self, folder: Path, limit: int, file_bytes: int = FILE_BYTES, counted_prefix: bytes = b"") -> None:
        self._folder = folder
        self._limit = limit
        self._file_bytes = file_bytes
        self._counted_prefix = b"\n" + counted_prefix
        self._file: FileIO | None = None
        self._depths: dict[Path, tuple[int, int]] = {}
        """Size and depth of each file."""

    def separate(self) -> "Spool":
        """Return a spool over the same folder for another thread; it writes to a file of its own."""
        return Spool(self._folder, self._limit, self._file_bytes, self._counted_prefix[1:])

    def append(self, lines: list[bytes]) -> bool:
        """Write the lines and sync them to disk; False, with none written, if the spool is full or the disk fails."""
        content = b"".join(line + b"\n" for line in lines)
        if self.size() + len(content) > self._limit:
            return False
        try:
            file = self._file or self._open_file()
            before = file.seek(0, os.SEEK_END)
            if before > self._file_bytes:
                self.rotate()
                file, before = self._open_file(), 0
            self._write(file, before, content)
        except OSError as error:
            log.warning("served predictions cannot be written to disk", reason=error.strerror)
            self.rotate()
            return False
        return True

    def rotate(self) -> None:
        """Close the current file; the next lines begin a new one."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a full disk may fail again here
                file.close()

    @contextmanager
    def claim_oldest(self) -> Iterator[SpoolFile | None]:
        """Lock the oldest file without a writer for the duration of the block; None if there is none."""
        for path in self._paths():
            with suppress(FileNotFoundError), path.open("rb") as file:
                if _try_lock(file) and os.fstat(file.fileno()).st_nlink:
                    *lines, _torn = file.read().split(b"\n")
                    yield SpoolFile(path, tuple(lines))
                    return
        yield None

    def size(self) -> int:
        """Return the total size of all files [bytes]."""
        total = 0
        for path in self._paths():
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def depth(self) -> int:
        """Return the number of counted lines in all files, those of other workers included."""
        depths = {}
        for path in self._paths():
            with suppress(FileNotFoundError):
                size = path.stat().st_size
                before = self._depths.get(path)
                depths[path] = before if before and before[0] == size else (size, self._depth_of(path))
        self._depths = depths
        return sum(lines for _, lines in depths.values())

    def _depth_of(self, path: Path) -> int:
        whole, _, _torn = path.read_bytes().rpartition(b"\n")
        return (b"\n" + whole).count(self._counted_prefix) if whole else 0

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{ENDING}"))

    def _open_file(self) -> FileIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Unbuffered, so that what a full disk refused is not written again when the file is closed.
        file = (self._folder / f"{time.time_ns():020}-{os.getpid()}{ENDING}").open("xb", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX)
        if not os.fstat(file.fileno()).st_nlink:
            file.close()  # another worker took it for a dead worker's before it was locked
            return self._open_file()
        _sync_folder(self._folder)
        self._file = file
        return file

    def _write(self, file: FileIO, before: int, content: bytes) -> None:
        """Write after offset ``before``; on an error, truncate the file to that offset again."""
        try:
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

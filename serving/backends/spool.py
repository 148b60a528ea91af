"""Lines on disk that wait for the database: bounded in size, shared by a machine's workers, each line whole or absent.

Each worker appends to a file of its own, which it keeps locked. An unlocked file is complete, or its writer died; in
both cases any worker may read it, write its lines to the database and delete it. A line is complete once its line break
is written.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Final

from core.files.private_folder import make_private_folder
from core.logs import get_logger
from core.signing import Signer
from serving.backends.spool_files import ENDING, FOLDER, LineCounts, SpoolFile, claim, files_of, sign_line, verify_line
from serving.backends.state_dir import StateFolder

FILE_BYTES: Final = 512 * 1024
"""After a file has grown beyond this size, a new one is begun. A file is read and written to the database at once."""

PRIVATE_FILE: Final = 0o600

log = get_logger(__name__)


class Spool:
    """The spool of the database in use, below its state folder; ``limit`` is the greatest total size [bytes].

    Lines that begin with ``counted_prefix`` make up its depth. Belongs to one thread. If the state folder becomes
    another one, the next lines go there, and files of the old one stay for the database whose it is.
    """

    def __init__(
        self,
        state_folder: Callable[[], StateFolder],
        signer: Signer,
        limit: int,
        file_bytes: int = FILE_BYTES,
        counted_prefix: bytes = b"",
    ) -> None:
        self._state_folder = state_folder
        self._signer = signer
        self._limit = limit
        self._file_bytes = file_bytes
        self._counted_prefix = counted_prefix
        self._counts = LineCounts(counted_prefix)
        self._file: FileIO | None = None
        self._file_folder: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        return self._state_folder().path / FOLDER

    def separate(self) -> "Spool":
        """Return a spool over the same folder for another thread; it writes to a file of its own."""
        return Spool(self._state_folder, self._signer, self._limit, self._file_bytes, self._counted_prefix)

    def append(self, lines: list[bytes]) -> bool:
        """Write the lines and sync them to disk; False, with none written, if the spool is full or the disk fails."""
        state = self._state_folder()
        folder = state.path / FOLDER
        content = b"".join([sign_line(self._signer, state.owner, line) + b"\n" for line in lines])
        if self.size() + len(content) > self._limit:
            return False
        try:
            file = self._open_file(folder) if self._file is None or self._file_folder != folder else self._file
            before = file.seek(0, os.SEEK_END)
            if before > self._file_bytes:
                file, before = self._open_file(folder), 0
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
        """Lock the oldest file without a writer for the duration of the block; None if there is none.

        Its lines are those with a valid signature.
        """
        owner = self._state_folder().owner
        for path in self._paths():
            with claim(path) as file:
                if file is not None:
                    verified = [verify_line(self._signer, owner, line) for line in file.lines]
                    lines = tuple([line for line in verified if line is not None])
                    yield replace(file, lines=lines, refused=len(file.lines) - len(lines))
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
        paths = self._paths()
        self._counts.forget_others(paths)
        return self._counts.count(paths)

    def _paths(self) -> list[Path]:
        return files_of(self.folder)

    def _open_file(self, folder: Path) -> FileIO:
        self.rotate()
        make_private_folder(folder.parent)
        make_private_folder(folder)
        name = f"{time.time_ns():020}-{os.getpid()}{ENDING}"
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        # Unbuffered, so that what a full disk refused is not written again when the file is closed.
        file = FileIO(descriptor, "r+b")
        fcntl.flock(file, fcntl.LOCK_EX)
        if not os.fstat(file.fileno()).st_nlink:
            file.close()  # another worker took it for a dead worker's before it was locked
            return self._open_file(folder)
        _sync_folder(folder)
        self._file, self._file_folder = file, folder
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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Moves spools that are named by an address into the spool of the database in use, where they are its own.

Earlier versions named a spool by a hash of DATABASE_URL, and so does this one while the database has no identity. Such
a spool belongs to the database in use if it is named by the present address, if that database was last seen at its
address, or if the database already holds an answer that its lines name. Any other is left, and counted wherever spools
are counted (docs/decisions/0063).
"""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.transactions import reading
from core.errors import DatabaseError, ResourceNotFoundError
from core.logs import get_logger
from core.signing import Signer
from serving.backends.spool import Spool
from serving.backends.spool_files import SpoolFile, claim, files_of, is_signed, spool_folders, verify_line
from serving.backends.state_dir import StateDir, StateFolder
from serving.predictions.tables import answers

INTERVAL_SECONDS: Final = 10.0
FILES_ASKED_ABOUT: Final = 20
"""Files of a spool whose answers are looked for in the database."""
IDS_PER_QUERY: Final = 1_000
ADDRESS_HASH: Final = re.compile("[0-9a-f]{12}")

log = get_logger(__name__)


class SpoolAdoption:
    """Looks for such spools every ten seconds. Belongs to the thread of the spool."""

    def __init__(
        self,
        engine: Engine,
        state_dir: StateDir,
        spool: Spool,
        signer: Signer,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._state_dir = state_dir
        self._spool = spool
        self._signer = signer
        self._timer = timer
        self._due = 0.0
        self._left: dict[Path, frozenset[Path]] = {}
        """Files of spools that were left; they are not read again before others appear."""

    def step(self) -> bool:
        """Move what belongs to the database in use; nothing while it is unavailable."""
        if self._timer() < self._due:
            return False
        self._due = self._timer() + INTERVAL_SECONDS
        try:
            self._adopt(self._state_dir.confirm(self._engine))
        except DatabaseError:
            return False
        return False

    def _adopt(self, state: StateFolder) -> None:
        for folder in spool_folders(self._state_dir.root):
            files = frozenset(files_of(folder))
            if folder.parent == state.path or not ADDRESS_HASH.fullmatch(folder.parent.name):
                continue
            if files == self._left.get(folder, frozenset()):
                continue
            if self._is_ours(folder, state):
                moved = sum(map(self._move, sorted(files)))
                log.info("spool moved to that of this database", spool=folder.parent.name, lines=moved)
            else:
                log.warning("spool is not known to be of this database; see `dbsbm doctor`", spool=folder.parent.name)
            self._left[folder] = frozenset(files_of(folder))

    def adopt(self, name: str) -> int:
        """Move the spool of that name into the one of the database in use, whosever it was; returns how many lines.

        Raises DatabaseError, and ResourceNotFoundError with the spools that exist.
        """
        own = self._state_dir.confirm(self._engine).owner
        folders = {folder.parent.name: folder for folder in spool_folders(self._state_dir.root)}
        if name not in folders or name == own:
            others = tuple(other for other in folders if other != own)
            raise ResourceNotFoundError(f"There is no other spool {name!r}.", nearest=others, resource_type="spool")
        return sum(map(self._move, files_of(folders[name])))

    def _is_ours(self, folder: Path, state: StateFolder) -> bool:
        if folder.parent == self._state_dir.by_address:
            return True
        noted = self._state_dir.noted_identity(folder.parent)
        return noted == state.owner if noted is not None else self._holds_an_answer_of(folder)

    def _holds_an_answer_of(self, folder: Path) -> bool:
        """Whether the database holds one of the answers that the spool's lines name."""
        ids = [
            answer_id
            for path in files_of(folder)[:FILES_ASKED_ABOUT]
            for line in self._acceptable_lines(path)
            if (answer_id := _answer_id(line)) is not None
        ]
        with reading(self._engine) as connection:
            return any(
                connection.scalar(
                    sa.select(answers.c.answer_id)
                    .where(answers.c.answer_id.in_(ids[start : start + IDS_PER_QUERY]))
                    .limit(1)
                )
                is not None
                for start in range(0, len(ids), IDS_PER_QUERY)
            )

    def _acceptable_lines(self, path: Path) -> list[bytes]:
        with claim(path) as file:
            return [] if file is None else list(self._acceptable(file))

    def _move(self, path: Path) -> int:
        """Move the lines of a file; returns how many. A file that others can have written stays as it is."""
        with claim(path) as file:
            if file is None:
                return 0
            lines = list(self._acceptable(file))
            if len(lines) < len(file.lines) and not file.is_private:
                log.warning("spool file without signatures could have been written by others", file=str(path))
                return 0
            if not self._spool.append(lines):
                return 0
            if len(lines) < len(file.lines):
                log.warning("spool file has invalid lines", file=str(file.set_aside()))
            else:
                file.delete()
            return len(lines)

    def _acceptable(self, file: SpoolFile) -> Iterator[bytes]:
        """Yield the lines with a valid signature, and those without one, as earlier versions wrote them, if no other
        user can have written the file.
        """
        owner = file.path.parents[1].name
        for line in file.lines:
            verified = verify_line(self._signer, owner, line)
            if verified is not None:
                yield verified
            elif file.is_private and ADDRESS_HASH.fullmatch(owner) and line and not is_signed(line):
                yield line


def _answer_id(line: bytes) -> str | None:
    try:
        content = orjson.loads(line)
    except ValueError:
        return None
    answer_id = content.get("answer_id") if isinstance(content, dict) else None
    return answer_id if isinstance(answer_id, str) else None

"""The last values read, on disk, so that the service can start and answer while the database is unavailable.

Documents are pydantic models as JSON, signed together with their name and that of the database: a damaged or renamed
one, and one of another database, counts as missing. A file is replaced atomically. One that cannot be written is
logged, and the service continues.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from pydantic import BaseModel

from core.errors import DatabaseError
from core.files.atomic import write_file
from core.files.private_folder import make_private_folder
from core.logs import get_logger
from core.signing import Signer
from serving.backends.sealed_values import Document, seal_document, unseal_document
from serving.backends.state_dir import StateFolder

FOLDER: Final = "last-good"
PURPOSE: Final = "last-good"

log = get_logger(__name__)


class LastKnownGood:
    """The signed documents of the database in use, by name; for any thread and any number of workers.

    ``state_folder`` returns the folder as known, ``confirm`` asks the database for it or raises DatabaseError.
    """

    def __init__(
        self, state_folder: Callable[[], StateFolder], confirm: Callable[[], StateFolder], signer: Signer
    ) -> None:
        self._state_folder = state_folder
        self._confirm = confirm
        self._signer = signer
        self._failing: set[str] = set()
        """Documents that could not be written; each is logged once."""

    @property
    def folder(self) -> Path:
        """The folder of the documents; another one when the service has another database."""
        return self._state_folder().path / FOLDER

    def save(self, name: str, document: BaseModel) -> bool:
        """Replace the document of that name; False if it could not be written: the caller may try again.

        Nothing is written before the database has named the folder: it might be that of another one.
        """
        try:
            state = self._state_folder() if self._state_folder().is_confirmed else self._confirm()
        except DatabaseError:
            return False
        folder = state.path / FOLDER
        content = seal_document(self._signer, _sealed_name(state, name), document)
        try:
            make_private_folder(state.path)
            make_private_folder(folder)
            write_file(folder / _file_name(name), content, mode=0o600)
        except OSError as error:
            if name not in self._failing:
                log.warning("last-known-good document cannot be written to disk", document=name, reason=error.strerror)
            self._failing.add(name)
            return False
        self._failing.discard(name)
        return True

    def delete(self, name: str) -> None:
        """Delete the document, if it exists."""
        with suppress(OSError):
            (self.folder / _file_name(name)).unlink(missing_ok=True)

    def load(self, name: str, kind: type[Document]) -> Document | None:
        """Return the document; None if there is none with a valid signature."""
        state = self._state_folder()
        try:
            content = (state.path / FOLDER / _file_name(name)).read_bytes()
        except OSError:
            return None
        return unseal_document(self._signer, _sealed_name(state, name), content, kind)

    def names(self, prefix: str) -> list[str]:
        """Return the names of documents that begin with the prefix."""
        return [name for name in self._list_names() if name.startswith(prefix)]

    def _list_names(self) -> list[str]:
        with suppress(OSError):
            return sorted(unquote(path.name) for path in self.folder.iterdir() if not path.name.startswith("."))
        return []


def _file_name(name: str) -> str:
    return quote(name, safe="")


def _sealed_name(state: StateFolder, name: str) -> str:
    return f"{state.owner}/{name}"

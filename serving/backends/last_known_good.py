"""The last values read, on disk, so that the service can start and answer while the database is unavailable.

Documents are pydantic models as JSON, signed together with their name: a damaged, foreign or renamed one counts as
missing. A file is replaced atomically. One that cannot be written is logged, and the service continues.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from pydantic import BaseModel

from core.atomic_file import write_file
from core.logs import get_logger
from core.signing import Signer
from serving.backends.sealed_values import Document, seal_document, unseal_document

PURPOSE: Final = "last-good"

log = get_logger(__name__)


class LastKnownGood:
    """A folder of signed documents by name; for any thread and any number of workers."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        self._folder = folder
        self._signer = signer
        self._failing: set[str] = set()
        """Documents that could not be written; each is logged once."""

    def save(self, name: str, document: BaseModel) -> bool:
        """Replace the document of that name; False if it could not be written: the caller may try again."""
        content = seal_document(self._signer, name, document)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(self._path(name), content, mode=0o600)
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
            self._path(name).unlink(missing_ok=True)

    def load(self, name: str, kind: type[Document]) -> Document | None:
        """Return the document; None if there is none with a valid signature."""
        try:
            return unseal_document(self._signer, name, self._path(name).read_bytes(), kind)
        except OSError:
            return None

    def names(self, prefix: str) -> list[str]:
        """Return the names of documents that begin with the prefix."""
        return [name for name in self._list_names() if name.startswith(prefix)]

    def _list_names(self) -> list[str]:
        with suppress(OSError):
            return sorted(unquote(path.name) for path in self._folder.iterdir() if not path.name.startswith("."))
        return []

    def _path(self, name: str) -> Path:
        return self._folder / quote(name, safe="")

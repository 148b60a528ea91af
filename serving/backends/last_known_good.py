"""What was read last, on disk, so that the service starts and answers while the database is away.

Documents are pydantic models as JSON, signed together with their name: a damaged, foreign or renamed one is as good as
none. A file is replaced whole; one that cannot be written is logged, and answers go on.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from pydantic import BaseModel

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
        """Documents that the disk did not take; said once."""

    def keep(self, name: str, document: BaseModel) -> bool:
        """Replace the document of that name; False if the disk did not take it: it is for the caller to try again."""
        content = seal_document(self._signer, name, document)
        target = self._path(name)
        draft = target.with_name(f".{os.getpid()}-{secrets.token_hex(4)}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            if name not in self._failing:
                log.warning("the last good state cannot be kept on disk", document=name, reason=error.strerror)
            self._failing.add(name)
            return False
        self._failing.discard(name)
        return True

    def forget(self, name: str) -> None:
        """Remove the document, if there is one."""
        with suppress(OSError):
            self._path(name).unlink(missing_ok=True)

    def load(self, name: str, kind: type[Document]) -> Document | None:
        """The document, or None if there is none that we wrote."""
        try:
            return unseal_document(self._signer, name, self._path(name).read_bytes(), kind)
        except OSError:
            return None

    def names(self, prefix: str) -> list[str]:
        """Names of the documents that begin so."""
        return [name for name in self._listed() if name.startswith(prefix)]

    def _listed(self) -> list[str]:
        with suppress(OSError):
            return sorted(unquote(path.name) for path in self._folder.iterdir() if not path.name.startswith("."))
        return []

    def _path(self, name: str) -> Path:
        return self._folder / quote(name, safe="")

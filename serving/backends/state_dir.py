"""The folder below SERVING_DIR that belongs to the database in use.

It is named by the identity that is stored in the database, so that files of one database are never used with another,
and are found again after the address has changed (docs/decisions/0063). Beside the folders, a signed note per address
says which database was last seen there, for a start without the database. While no identity is known, the folder is
named by a hash of the address, as in earlier versions.
"""

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel
from sqlalchemy.engine import URL, Engine

from core.files.atomic import write_file
from core.files.private_folder import make_private_folder
from core.logs import get_logger
from core.settings import Settings
from core.signing import Signer, signer
from serving.backends.database_identity import ensure_identity
from serving.backends.sealed_values import seal_document, unseal_document

PURPOSE: Final = "state-dir"
NOTES: Final = "addresses"

log = get_logger(__name__)


class StateFolder(NamedTuple):
    """A folder of one database's files."""

    path: Path
    is_confirmed: bool
    """Whether the database itself has named it; otherwise it is what was last known."""

    @property
    def owner(self) -> str:
        """Name of the database that its files are signed for."""
        return self.path.name


class AddressNote(BaseModel):
    """Which database was last seen at an address."""

    identity: str
    endpoint: str
    """What addresses of the same database usually share: its name and port, or the path of its file."""


class StateDir:
    """Knows the folder of the database in use; for any thread. Reading ``folder`` touches neither disk nor database."""

    def __init__(self, root: Path, address: URL, note_signer: Signer) -> None:
        self.root = root
        self._signer = note_signer
        self._endpoint = endpoint_of(address)
        self.by_address = root / address_hash(address)
        """The folder while no identity is known, and that of earlier versions."""
        self._folder = StateFolder(self._recall(), is_confirmed=False)
        self._noted = ""

    @property
    def folder(self) -> StateFolder:
        """The folder as known now."""
        return self._folder

    def confirm(self, engine: Engine) -> StateFolder:
        """Ask the database for its identity and return its folder. Raises DatabaseError."""
        identity = ensure_identity(engine)
        before, path = self._folder, self.by_address if identity is None else self.root / identity
        if path != before.path or not before.is_confirmed:
            self._folder = StateFolder(path, is_confirmed=True)
            if before.is_confirmed:
                log.warning("the database at this address is another one now", was=before.owner, now=path.name)
        if identity is not None and identity != self._noted:
            self._note(identity)
        return self._folder

    def noted_identity(self, folder: Path) -> str | None:
        """Return the identity of the database last seen at the address that a folder is named by; None if unknown."""
        note = self._read_note(folder.name)
        return None if note is None else note.identity

    def _recall(self) -> Path:
        """Return the folder of the database last seen at this address.

        An address that was never seen counts as that of the only database with the same name and port, if there is just
        one: it may have moved to another host.
        """
        own = self._read_note(self.by_address.name)
        if own is not None:
            return self.root / own.identity
        moved = {note.identity for note in self._notes() if note.endpoint == self._endpoint}
        if len(moved) != 1:
            return self.by_address
        (identity,) = moved
        log.warning("address of the database not seen before; using files of the one seen elsewhere", database=identity)
        return self.root / identity

    def _notes(self) -> Iterator[AddressNote]:
        with suppress(OSError):
            for path in sorted((self.root / NOTES).iterdir()):
                if not path.name.startswith(".") and (note := self._read_note(path.name)) is not None:
                    yield note

    def _read_note(self, name: str) -> AddressNote | None:
        try:
            content = (self.root / NOTES / name).read_bytes()
        except OSError:
            return None
        return unseal_document(self._signer, name, content, AddressNote)

    def _note(self, identity: str) -> None:
        name, note = self.by_address.name, AddressNote(identity=identity, endpoint=self._endpoint)
        try:
            if self._read_note(name) != note:
                make_private_folder(self.root / NOTES)
                write_file(self.root / NOTES / name, seal_document(self._signer, name, note), mode=0o600)
        except OSError as error:
            log.warning("identity of the database cannot be written to disk", reason=error.strerror)
        self._noted = identity


def state_dir(settings: Settings) -> StateDir:
    """Return the state directory of these settings."""
    return StateDir(settings.serving_dir, settings.database, signer(settings, PURPOSE))


def address_hash(address: URL) -> str:
    """Return the name that earlier versions gave the folder of the database at this address."""
    return sha256(address.set(password=None).render_as_string(hide_password=True).encode()).hexdigest()[:12]


def endpoint_of(address: URL) -> str:
    """Return what the spellings of an address share: database name and port, or the resolved path of a file."""
    if address.get_backend_name() == "sqlite":
        return str(Path(address.database or "").resolve())
    return f"{address.database}:{address.port or 3306}"

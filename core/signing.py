"""HMAC-SHA-256 signatures under SIGNING_KEY, which prove that this installation wrote the bytes.

A SHA-256 shows that bytes are undamaged; a signature shows who wrote them. Each purpose has its own key, derived from
SIGNING_KEY (RFC 5869, expand step), so that a signed cache value cannot pass as a signed bundle.
"""

import hmac
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from core.errors import ConfigurationError
from core.files.atomic import write_new_file
from core.settings import Settings

KEY_BYTES: Final = 32
KEY_FILE: Final = "signing.key"


class Signer:
    """Signs and checks for one purpose, such as ``bundle`` or ``cache``."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        self._key = hmac.digest(secret, purpose.encode() + b"\x01", "sha256")

    def sign(self, content: bytes) -> str:
        """Signature as 64 hexadecimal digits."""
        return hmac.digest(self._key, content, "sha256").hex()

    def verifies(self, content: bytes, signature: str) -> bool:
        """Whether the signature is that of this content; takes the same time for every wrong one."""
        return hmac.compare_digest(self.sign(content).encode(), signature.encode())


def signer(settings: Settings, purpose: str) -> Signer:
    """The signer for a purpose under SIGNING_KEY.

    Without that setting, development creates a key beside its bundles, once. Raises ConfigurationError if it is missing
    in staging or production, where several machines must share it.
    """
    if settings.signing_key is None:
        return Signer(_own_key(settings), purpose)
    return Signer(settings.signing_key.get_secret_value().encode(), purpose)


def _own_key(settings: Settings) -> bytes:
    if settings.dbsbm_env != "development":
        msg = f"SIGNING_KEY is not set; {settings.dbsbm_env} needs one that all its machines share."
        raise ConfigurationError(msg, hint="Make one with `openssl rand -hex 32`.", variable="SIGNING_KEY")
    path = settings.bundle_dir.parent / KEY_FILE
    if not path.exists():
        _write_once(path, secrets.token_hex(KEY_BYTES).encode())
    return path.read_bytes()


def _write_once(path: Path, content: bytes) -> None:
    """Write the file atomically and readable by its owner only; of two writers the first one's content stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        write_new_file(path, content, mode=0o600)

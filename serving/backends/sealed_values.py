"""Values that leave this process, signed together with their name.

A value that was truncated, damaged, written by another installation or copied from another name is never accepted.
What is signed begins with the length of the name, so that no other name and body give the same bytes, whatever signs
the name contains.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from core.logs import get_logger
from core.signing import Signer

SIGNATURE_LENGTH: Final = 64

Document = TypeVar("Document", bound=BaseModel)

log = get_logger(__name__)


def seal(signer: Signer, name: str, body: bytes) -> bytes:
    """Return the value to store under ``name``: the signature over name and body, a line break, the body."""
    return signer.sign(_signed_part(name, body)).encode() + b"\n" + body


def unseal(signer: Signer, name: str, value: bytes) -> bytes | None:
    """Return the body, or None if the value is not what ``seal`` returned for this very name."""
    return _body_signed_as(_signed_part, signer, name, value)


def seal_document(signer: Signer, name: str, document: BaseModel) -> bytes:
    """Return the document as JSON, sealed under ``name``."""
    return seal(signer, name, document.model_dump_json().encode())


def unseal_document(signer: Signer, name: str, value: bytes, kind: type[Document]) -> Document | None:
    """Return the document that was sealed under this very name; None, and a log line, for anything else."""
    body = unseal(signer, name, value)
    if body is None:
        body = _unseal_former(signer, name, value)
    if body is None:
        log.warning("stored document has no valid signature", document=name)
        return None
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        log.info("stored document was written by another version of the code", document=name)
        return None


def _unseal_former(signer: Signer, name: str, value: bytes) -> bytes | None:
    """Return the body of a document that an earlier version wrote, before the length of the name was signed.

    Otherwise no document on disk could be read between an upgrade and the next look at the database. Only names
    without a line break are unambiguous in that form.
    """
    return None if "\n" in name else _body_signed_as(_former_signed_part, signer, name, value)


def _body_signed_as(
    signed_part: Callable[[str, bytes], bytes], signer: Signer, name: str, value: bytes
) -> bytes | None:
    signature, body = value[:SIGNATURE_LENGTH], value[SIGNATURE_LENGTH + 1 :]
    has_separator = value[SIGNATURE_LENGTH : SIGNATURE_LENGTH + 1] == b"\n"
    is_valid = has_separator and signer.verifies(signed_part(name, body), signature.decode("latin-1"))
    return body if is_valid else None


def _signed_part(name: str, body: bytes) -> bytes:
    encoded = name.encode()
    return b"%d:%b\n%b" % (len(encoded), encoded, body)


def _former_signed_part(name: str, body: bytes) -> bytes:
    return name.encode() + b"\n" + body

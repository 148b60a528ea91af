"""A registered version's files on this machine: the local store first, MLflow's artifacts otherwise."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from core.errors import ExternalServiceError, SecurityError
from core.registry.bundle_files import due_signature, sign, verified
from core.registry.deployment import Version
from core.signing import Signer

Found = TypeVar("Found")


def fetch_bundle(version: Version, store: Path, tracking_uri: str, signer: Signer) -> Path:
    """Folder of the version's verified bundle, downloaded into the store if it is not there or was damaged.

    Raises SecurityError naming the damaged file when there is no better copy, ExternalServiceError when MLflow
    is needed and does not answer.
    """
    folder = store / version.bundle_sha256
    _sound(version, folder, tracking_uri, lambda where: verified(where, version.bundle_sha256, signer))
    return folder


def sign_again(version: Version, store: Path, tracking_uri: str, signer: Signer) -> bool:
    """Sign the version's bundle under today's key, here and in MLflow; returns whether that was due.

    Raises SecurityError, and signs nothing, where the bundle is not to the last byte the one registered;
    ExternalServiceError when MLflow does not answer. Our own copy is signed last: until then it is due.
    """
    folder = store / version.bundle_sha256
    signature = _sound(version, folder, tracking_uri, lambda where: due_signature(where, version.bundle_sha256, signer))
    if signature is None:
        return False
    _sign_copy(version, signature, tracking_uri)
    sign(folder, signature)
    return True


def _sound(version: Version, folder: Path, tracking_uri: str, check: Callable[[Path], Found]) -> Found:
    """What the check finds, of MLflow's copy where there is none here or the check refuses it."""
    if not folder.is_dir():
        _download(version, folder, tracking_uri)
    try:
        return check(folder)
    except SecurityError as damage:
        try:
            return _replaced(version, folder, tracking_uri, check)
        except (ExternalServiceError, SecurityError):
            raise damage from None


def _download(version: Version, folder: Path, tracking_uri: str) -> None:
    from core.registry.tracking import Tracking

    Tracking(tracking_uri).download_bundle(version, folder)


def _sign_copy(version: Version, signature: str, tracking_uri: str) -> None:
    from core.registry.tracking import Tracking

    Tracking(tracking_uri).sign_bundle(version, signature)


def _replaced(version: Version, folder: Path, tracking_uri: str, check: Callable[[Path], Found]) -> Found:
    """Fetch a fresh copy beside the damaged one, and let it take its place only if the check accepts it."""
    fresh = folder.with_name(f".fresh-{folder.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    _download(version, fresh, tracking_uri)
    try:
        found = check(fresh)
    except SecurityError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)
    fresh.rename(folder)
    return found

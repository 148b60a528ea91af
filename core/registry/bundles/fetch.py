"""A registered version's files on this machine: the local store first, MLflow's artifacts otherwise."""

import shutil
from pathlib import Path

from core.errors import ExternalServiceError, SecurityError
from core.registry.bundles.files import verified
from core.registry.deployment import Version
from core.signing import Signer


def fetch_bundle(version: Version, store: Path, tracking_uri: str, signer: Signer) -> Path:
    """Folder of the version's verified bundle, downloaded into the store if it is not there or was damaged.

    Raises SecurityError naming the damaged file when there is no better copy, ExternalServiceError when MLflow
    is needed and does not answer.
    """
    folder = store / version.bundle_sha256
    if not folder.is_dir():
        _download(version, folder, tracking_uri)
    try:
        verified(folder, version.bundle_sha256, signer)
    except SecurityError as damage:
        try:
            _replaced(version, folder, tracking_uri, signer)
        except (ExternalServiceError, SecurityError):
            raise damage from None
    return folder


def _download(version: Version, folder: Path, tracking_uri: str) -> None:
    from core.registry.tracking.client import Tracking

    Tracking(tracking_uri).download_bundle(version, folder)


def _replaced(version: Version, folder: Path, tracking_uri: str, signer: Signer) -> None:
    """Fetch a fresh copy beside the damaged one, and let it take its place only if it is sound."""
    fresh = folder.with_name(f".fresh-{folder.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    _download(version, fresh, tracking_uri)
    try:
        verified(fresh, version.bundle_sha256, signer)
    except SecurityError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)
    fresh.rename(folder)

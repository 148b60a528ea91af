"""A registered version's files on this machine: the local store first, MLflow's artifacts otherwise."""

import shutil
from collections.abc import Callable
from pathlib import Path

from core.errors import ExternalServiceError, SecurityError
from core.registry.bundles.files import MANIFEST, read_verified, scratch_folder
from core.registry.deployment import Version
from core.signing import Signer

Download = Callable[[Version, Path, str], None]
"""Downloads a version's bundle into a folder (version, folder, tracking URI), as ``download_bundle`` does."""


def download_bundle(version: Version, folder: Path, tracking_uri: str) -> None:
    """Download the version's bundle from MLflow into the folder, which appears whole or not at all.

    Raises ExternalServiceError when MLflow does not answer or holds no bundle of that version.
    """
    from core.registry.tracking.client import Tracking
    from core.registry.tracking.store import as_external_error

    tracking = Tracking(tracking_uri)
    with as_external_error(tracking_uri), scratch_folder(folder.parent) as scratch:
        tracking.download_model(version, scratch)
        manifest = next(scratch.rglob(MANIFEST), None)
        if manifest is None:
            msg = f"{version.model} version {version.version} in MLflow holds no bundle."
            raise ExternalServiceError(msg)
        if not folder.exists():
            shutil.move(str(manifest.parent), folder)


def fetch_bundle(
    version: Version, store: Path, tracking_uri: str, signer: Signer, download: Download = download_bundle
) -> Path:
    """Folder of the version's verified bundle, downloaded into the store if it is missing or damaged there.

    Raises SecurityError naming the damaged file when there is no better copy, ExternalServiceError when MLflow is
    needed and does not answer.
    """
    folder = store / version.bundle_sha256
    if not folder.is_dir():
        download(version, folder, tracking_uri)
    try:
        read_verified(folder, version.bundle_sha256, signer)
    except SecurityError as damage:
        try:
            fresh = folder.with_name(f".fresh-{folder.name}")
            shutil.rmtree(fresh, ignore_errors=True)
            download(version, fresh, tracking_uri)
            _replace(folder, fresh, version.bundle_sha256, signer)
        except (ExternalServiceError, SecurityError):
            raise damage from None
    return folder


def _replace(folder: Path, fresh: Path, sha256: str, signer: Signer) -> None:
    """Put the fresh copy in the damaged one's place if it can be verified; delete it otherwise."""
    try:
        read_verified(fresh, sha256, signer)
    except SecurityError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)
    fresh.rename(folder)

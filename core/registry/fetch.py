"""A registered version's files on this machine: the local store first, MLflow's artifacts otherwise."""

from pathlib import Path

from core.registry.deployment import Version


def fetch_bundle(version: Version, store: Path, tracking_uri: str) -> Path:
    """Folder of the version's bundle, downloaded into the store if it is not there.

    The files are not trusted yet: ``read_bundle`` verifies them. Raises ExternalServiceError when MLflow is
    needed and does not answer.
    """
    folder = store / version.bundle_sha256
    if not folder.is_dir():
        from core.registry.tracking import Tracking

        Tracking(tracking_uri).download_bundle(version, folder)
    return folder

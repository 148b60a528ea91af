"""The bundle store of an installation: the one way in which a registered version is opened."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import SecurityError
from core.registry.bundles.contents import Bundle, read_bundle
from core.registry.bundles.fetch import Download, download_bundle, fetch_bundle
from core.registry.deployment import Version
from core.settings import Settings
from core.signing import Signer, signer

Trial = Callable[[Path, str, Signer], None]
"""Reads a bundle (folder, SHA-256, signer) where it can do no harm, and raises if that fails; see ``trial``."""


@dataclass(frozen=True)
class BundleStore:
    """Bundles on this machine, MLflow for those that are missing, and the key under which they are signed."""

    folder: Path
    tracking_uri: str
    signer: Signer
    download: Download = download_bundle

    def open_version(self, version: Version, trial: Trial | None = None) -> Bundle:
        """The version's bundle: fetched if it is missing or damaged, verified, tried if asked for, and parsed.

        Raises SecurityError naming the file that is not the one signed and registered, ServiceError for a bundle that
        does not parse or fails its trial, ExternalServiceError when MLflow is needed and does not answer.
        """
        folder = self._fetch(version)
        if trial is not None:
            trial(folder, version.bundle_sha256, self.signer)
        return read_bundle(folder, version.bundle_sha256, self.signer)

    def holds(self, version: Version) -> bool:
        """Whether the version's bundle is available, undamaged and signed under today's key.

        Raises ExternalServiceError when MLflow is needed and does not answer.
        """
        try:
            self._fetch(version)
        except SecurityError:
            return False
        return True

    def _fetch(self, version: Version) -> Path:
        return fetch_bundle(version, self.folder, self.tracking_uri, self.signer, self.download)


def bundle_store(settings: Settings) -> BundleStore:
    """The bundle store that the settings name."""
    return BundleStore(settings.bundle_dir, settings.mlflow_tracking_uri, signer(settings, "bundle"))

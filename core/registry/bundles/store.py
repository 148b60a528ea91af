"""Where an installation's bundles are, and the key under which they are signed."""

from dataclasses import dataclass
from pathlib import Path

from core.errors import SecurityError
from core.registry.bundles.contents import Bundle, read_bundle
from core.registry.bundles.fetch import fetch_bundle
from core.registry.deployment import Version
from core.signing import Signer


@dataclass(frozen=True)
class Shelf:
    """The local store, and MLflow for what is not in it."""

    bundles: Path
    tracking_uri: str
    signer: Signer

    def take(self, version: Version) -> Bundle:
        """The version's bundle, verified and parsed. Raises what ``fetch_bundle`` and ``read_bundle`` raise."""
        folder = fetch_bundle(version, self.bundles, self.tracking_uri, self.signer)
        return read_bundle(folder, version.bundle_sha256, self.signer)

    def holds(self, version: Version) -> bool:
        """Whether the version's bundle can be had, whole and under today's key. Raises ExternalServiceError."""
        try:
            fetch_bundle(version, self.bundles, self.tracking_uri, self.signer)
        except SecurityError:
            return False
        return True

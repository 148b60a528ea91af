"""The manifest of a bundle: what the model in it is, what it was made of, and the SHA-256 of each file."""

import json
from datetime import datetime

from pydantic import BaseModel, ConfigDict


class BundleManifest(BaseModel):
    """The content of a bundle's ``manifest.json``. The SHA-256 of its canonical bytes is the bundle's identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    sport: str
    league: str
    variant: str
    recipe: str
    features: tuple[str, ...]
    """Names with versions, in column order."""
    fingerprint: str
    snapshot_sha256: str
    """SHA-256 of the facts it was trained on."""
    trained_until: datetime
    games: int
    files: dict[str, str]
    """SHA-256 by file name."""

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=1).encode()

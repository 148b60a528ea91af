"""The folder of files that serving needs while the database is unavailable."""

from hashlib import sha256
from pathlib import Path

from core.settings import Settings


def state_dir(settings: Settings) -> Path:
    """Return the folder, a different one for each database, so that files of one are never used with another."""
    address = settings.database.set(password=None).render_as_string(hide_password=True)
    return settings.serving_dir / sha256(address.encode()).hexdigest()[:12]

"""The folder in which serving keeps what it needs while the database is away."""

from hashlib import sha256
from pathlib import Path

from core.settings import Settings


def state_dir(settings: Settings) -> Path:
    """A folder of its own for each database, so that what belongs to one never reaches another."""
    address = settings.database.set(password=None).render_as_string(hide_password=True)
    return settings.serving_dir / sha256(address.encode()).hexdigest()[:12]

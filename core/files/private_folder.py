"""Folders that only the user who runs the service may enter."""

from contextlib import suppress
from pathlib import Path
from typing import Final

PRIVATE_FOLDER: Final = 0o700


def make_private_folder(path: Path) -> None:
    """Create the folder with mode 0700, or give an existing one that mode; missing ones above it get the usual mode.

    Raises OSError if it cannot be created. A folder of another user keeps its mode.
    """
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        with suppress(PermissionError):
            path.chmod(PRIVATE_FOLDER)

"""What waits in every spool below SERVING_DIR: of the database in use, and of others."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from serving.backends.spool_files import LineCounts, files_of, spool_folders

SERVING_OPENING: Final = b"["
"""First byte of a spool line that is a serving; lines of answers are JSON objects."""


class SpoolCensus:
    """Counts the servings in all spools below a folder; a file is read again only when it has grown."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._counts = LineCounts(SERVING_OPENING)

    def depths(self) -> Mapping[str, int]:
        """Return the servings that wait in each spool that is not empty, by the name of its state folder."""
        files = {folder.parent.name: files_of(folder) for folder in spool_folders(self._root)}
        self._counts.forget_others([path for paths in files.values() for path in paths])
        depths: dict[str, int] = defaultdict(int)
        for owner, paths in files.items():
            depths[owner] += self._counts.count(paths)
        return {owner: depth for owner, depth in depths.items() if depth}

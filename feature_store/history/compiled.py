"""numba's ``njit`` for the fold and the joins, with a cache that follows their sources.

numba checks only the file of the function it compiles: after a change in ``ratings`` it would still run the old
arithmetic inside ``fold``, from its cache, without a warning. Here the cache is in a folder named after the content of
every file that is compiled.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from numba import config, njit

SOURCES: Final = ("compiled.py", "fold.py", "point_in_time.py", "ratings.py")


def cache_folder(room: Path) -> Path:
    """The folder of the compiled code: beside the sources, or in the user's cache if that cannot be written."""
    digest = sha256(b"\0".join((room / name).read_bytes() for name in SOURCES)).hexdigest()[:16]
    base = room / "__pycache__"
    if not os.access(base if base.is_dir() else room, os.W_OK):
        base = Path.home() / ".cache" / "dbsbm"
    return base / f"numba-{digest}"


config.CACHE_DIR = str(cache_folder(Path(__file__).parent))

compiled: Final[Callable[..., Any]] = njit(cache=True)
"""Compiles a function, once for each version of the sources."""

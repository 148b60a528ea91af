"""Imports of libraries without the optional packages that they import where those are installed."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

LIBRARIES: Final = ("structlog", "lightgbm", "uvicorn")
COMPANIONS: Final = ("pandas", "sklearn", "charset_normalizer", "rich", "watchfiles")
"""The libraries and their dependencies import these where they are installed, and work without them."""


def import_without_companions(libraries: Sequence[str] = LIBRARIES) -> None:
    """Import the libraries as if their companions were not installed; saves a second and 140 MiB.

    For the start of a process that never trains and never reloads itself: LightGBM does not accept data frames in it.
    Companions that were imported before, or are imported later, are not affected.
    """
    absent = [name for name in COMPANIONS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None makes an import fail with ModuleNotFoundError
    try:
        for library in libraries:
            import_module(library)
    finally:
        for name in absent:
            del sys.modules[name]

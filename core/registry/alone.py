"""LightGBM without its companions, for a process that only predicts from arrays."""

import sys
from typing import Final

COMPANIONS: Final = ("pandas", "sklearn")
"""LightGBM imports them where they are installed, and serves without them as well."""


def import_lightgbm_alone() -> None:
    """Import LightGBM as if its companions were not installed: a second and 130 MiB less (performance.md, 4b).

    For the start of a process that never trains: LightGBM takes no data frames in it. Companions that are imported
    already, and those that are imported later, are not affected.
    """
    absent = [name for name in COMPANIONS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None is Python's word for "not there"
    try:
        import lightgbm  # noqa: F401
    finally:
        for name in absent:
            del sys.modules[name]

"""The first reading of a bundle on this machine, in a process that may die; remembered, because it costs a second."""

import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from core.registry.bundles.trial import try_bundle
from core.signing import Signer

FOLDER: Final = ".tried"
SECONDS: Final = 20.0
"""A sound one takes a second."""


def try_once(folder: Path, sha256: str, signer: Signer) -> None:
    """Try the bundle unless these very bytes passed before under this Python and this LightGBM.

    A note in the store only spares the trial: whoever reads the bundle still verifies every byte. Raises
    ServiceError or SecurityError as ``try_bundle`` does.
    """
    note = folder.parent / FOLDER / f"{sha256}-py{platform.python_version()}-lightgbm{version('lightgbm')}"
    if note.exists():
        return
    try_bundle(folder, sha256, signer, seconds=SECONDS)
    with suppress(OSError):  # a store that cannot be written is tried again next time
        note.parent.mkdir(exist_ok=True)
        note.touch()

"""A bundle's files on disk: placed whole, and believed only when they are ours, the ones registered, and undamaged.

Nothing here parses anything but a manifest that was verified. The order is: signature of the manifest, its SHA-256,
the list of files, the SHA-256 of each.
"""

import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from core.errors import SecurityError
from core.registry.bundles.process_identity import is_gone, this_process
from core.registry.forecaster import QUESTIONS
from core.signing import Signer

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
GROWING: Final = ".growing-"
"""How the name of a folder begins that is still being written; its process follows."""
SPEC: Final = "forecaster.json"
GOLDEN: Final = "golden.json"
TREES: Final = {question: f"{question}.lgb" for question in QUESTIONS}
LARGEST_FILE: Final = 64 * 2**20
"""No file of a bundle is larger [bytes]; one that is, is not even read."""


@contextmanager
def growing(store: Path) -> Iterator[Path]:
    """A folder in the store for what is not whole yet; those that killed processes left behind are removed first."""
    store.mkdir(parents=True, exist_ok=True)
    for left in store.glob(f"{GROWING}*"):
        if is_gone(left.name.removeprefix(GROWING).rpartition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(dir=store, prefix=f"{GROWING}{this_process()}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def placed(folder: Path, contents: Mapping[str, bytes], signature: str) -> Path:
    """Write the files beside the folder, then give them its name in one step."""
    with growing(folder.parent) as fresh:
        for name, content in {**contents, SIGNATURE: signature.encode()}.items():
            (fresh / name).write_bytes(content)
        fresh.chmod(0o755)
        try:
            fresh.rename(folder)
        except OSError:
            # A folder of that name holds this content already, unless it was damaged, perhaps under another key.
            if not folder.is_dir():
                raise
            for name in (*contents, SIGNATURE):
                (fresh / name).replace(folder / name)
    return folder


def settled(folder: Path, store: Path) -> Path:
    """Give a whole bundle its place in the store."""
    names = sorted(path.name for path in folder.iterdir())
    contents = {name: read_file(folder, name) for name in names}
    return placed(store / folder.name, contents, contents.pop(SIGNATURE).decode())


def verified(folder: Path, expected_sha256: str, signer: Signer) -> dict[str, bytes]:
    """The bundle's files by name, without its signature; every byte checked and nothing parsed but the manifest.

    Raises SecurityError naming the file that is missing, foreign, or not the one signed and registered.
    """
    manifest = read_file(folder, MANIFEST)
    signature = read_file(folder, SIGNATURE).decode("ascii", "replace").strip()
    if not signer.verifies(manifest, signature):
        raise SecurityError(
            f"{MANIFEST} in {folder.name[:12]} does not bear our signature.",
            hint="It was changed, or signed under another SIGNING_KEY.",
        )
    return _registered(folder, manifest, expected_sha256)


def undamaged(folder: Path, expected_sha256: str) -> dict[str, bytes]:
    """The same for a bundle whose signature was checked by whoever told its SHA-256: without the key."""
    return _registered(folder, read_file(folder, MANIFEST), expected_sha256)


def _registered(folder: Path, manifest: bytes, expected_sha256: str) -> dict[str, bytes]:
    if sha256(manifest).hexdigest() != expected_sha256:
        raise SecurityError(f"{MANIFEST} in {folder.name[:12]} is not the one registered ({expected_sha256[:12]}).")
    listed: dict[str, str] = json.loads(manifest)["files"]
    for name in listed:
        if name not in (SPEC, GOLDEN, *TREES.values()):
            raise SecurityError(f"{MANIFEST} in {folder.name[:12]} names a file that no bundle has: {name!r}.")
    for name in sorted(path.name for path in folder.iterdir()):
        if name not in (MANIFEST, SIGNATURE, *listed):
            raise SecurityError(f"{name!r} in {folder.name[:12]} is foreign: the manifest does not list it.")
    contents = {MANIFEST: manifest}
    for name, digest in listed.items():
        contents[name] = read_file(folder, name)
        if sha256(contents[name]).hexdigest() != digest:
            raise SecurityError(f"{name} in {folder.name[:12]} is damaged: its SHA-256 is not the registered one.")
    return contents


def read_file(folder: Path, name: str) -> bytes:
    """One file's bytes. Raises SecurityError for a link, anything else that is no file, or a file over the limit."""
    try:
        # Without waiting: to open a pipe that nobody writes to would wait for ever.
        handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SecurityError(f"Bundle {folder.name[:12]} is incomplete: {name} cannot be read.") from error
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise SecurityError(f"{name} in {folder.name[:12]} is no regular file.")
        if about.st_size > LARGEST_FILE:
            size = f"{about.st_size / 2**20:,.0f} MiB, {LARGEST_FILE // 2**20} allowed"
            raise SecurityError(f"{name} in {folder.name[:12]} is too large: {size}.")
        return file.read(LARGEST_FILE)

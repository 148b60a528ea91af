"""A bundle's files on disk: written as a whole, and used only if signed by us, registered, and undamaged.

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
from core.registry.forecaster import QUESTIONS
from core.registry.process_identity import is_gone, this_process
from core.signing import Signer

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
SCRATCH_PREFIX: Final = ".growing-"
"""How the name of a scratch folder begins; the process that writes it follows."""
SPEC: Final = "forecaster.json"
GOLDEN: Final = "golden.json"
TREES: Final = {question: f"{question}.lgb" for question in QUESTIONS}
LARGEST_FILE: Final = 64 * 2**20
"""Largest file that a bundle may hold [bytes]; a larger one is not read."""


@contextmanager
def scratch_folder(store: Path) -> Iterator[Path]:
    """A temporary folder in the store for a bundle in the making.

    Scratch folders that killed processes left behind are removed first.
    """
    store.mkdir(parents=True, exist_ok=True)
    for left in store.glob(f"{SCRATCH_PREFIX}*"):
        if is_gone(left.name.removeprefix(SCRATCH_PREFIX).rpartition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    prefix = f"{SCRATCH_PREFIX}{this_process()}-"
    with TemporaryDirectory(dir=store, prefix=prefix, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def place_bundle(folder: Path, contents: Mapping[str, bytes], signature: str) -> Path:
    """Write the files into a scratch folder, then rename it to ``folder`` in one step."""
    with scratch_folder(folder.parent) as scratch:
        for name, content in {**contents, SIGNATURE: signature.encode()}.items():
            (scratch / name).write_bytes(content)
        scratch.chmod(0o755)
        try:
            scratch.rename(folder)
        except OSError:
            # A folder of that name holds this content already, unless it was damaged, perhaps under another key.
            if not folder.is_dir():
                raise
            for name in (*contents, SIGNATURE):
                (scratch / name).replace(folder / name)
    return folder


def move_bundle(folder: Path, store: Path) -> Path:
    """Copy a complete bundle into the store under its own name; returns its folder there."""
    names = sorted(path.name for path in folder.iterdir())
    contents = {name: read_file(folder, name) for name in names}
    return place_bundle(store / folder.name, contents, contents.pop(SIGNATURE).decode())


def read_verified(folder: Path, expected_sha256: str, signer: Signer) -> dict[str, bytes]:
    """The bundle's files by name, without its signature; every byte is checked and only the manifest is parsed.

    Raises SecurityError naming the file that is missing, foreign, or not the one signed and registered.
    """
    manifest = read_file(folder, MANIFEST)
    signature = read_file(folder, SIGNATURE).decode("ascii", "replace").strip()
    if not signer.verifies(manifest, signature):
        raise SecurityError(
            f"{MANIFEST} in {folder.name[:12]} does not bear our signature.",
            hint="It was changed, or signed under another SIGNING_KEY.",
        )
    return _read_listed(folder, manifest, expected_sha256)


def read_undamaged(folder: Path, expected_sha256: str) -> dict[str, bytes]:
    """As ``read_verified``, without a key: for a SHA-256 whose manifest's signature the caller has checked."""
    return _read_listed(folder, read_file(folder, MANIFEST), expected_sha256)


def _read_listed(folder: Path, manifest: bytes, expected_sha256: str) -> dict[str, bytes]:
    """The manifest and the files that it lists, each with the SHA-256 that it gives."""
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
    """One file's bytes. Raises SecurityError for a link, anything else that is no regular file, or a file too large."""
    try:
        # Without blocking: opening a pipe that has no writer would wait for ever.
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SecurityError(f"Bundle {folder.name[:12]} is incomplete: {name} cannot be read.") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SecurityError(f"{name} in {folder.name[:12]} is no regular file.")
        if status.st_size > LARGEST_FILE:
            size = f"{status.st_size / 2**20:,.0f} MiB, {LARGEST_FILE // 2**20} allowed"
            raise SecurityError(f"{name} in {folder.name[:12]} is too large: {size}.")
        return file.read(LARGEST_FILE)

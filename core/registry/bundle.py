"""A model as files: JSON, LightGBM's own text, and a manifest with the SHA-256 of each. No pickle.

A damaged LightGBM text can abort or hang the process that parses it, so every byte is checked against the
manifest, and the manifest against the registered SHA-256, before any parser sees one; a new bundle is then
tried on its golden rows in a process that may die.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydantic import ValidationError as PydanticValidationError

from core.errors import SecurityError, ServiceError
from core.registry.forecaster import QUESTIONS, Forecaster, ForecasterSpec

MANIFEST: Final = "manifest.json"
SPEC: Final = "forecaster.json"
GOLDEN: Final = "golden.json"
GOLDEN_TOLERANCE: Final = 1e-9
TRIAL_SECONDS: Final = 60.0


class Manifest(BaseModel):
    """What a bundle says of itself. Its canonical bytes' SHA-256 is the bundle's identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    sport: str
    league: str
    variant: str
    recipe: str
    features: tuple[str, ...]
    """Names with versions, in column order."""
    fingerprint: str
    snapshot_sha256: str
    trained_until: datetime
    games: int
    files: dict[str, str]
    """SHA-256 by file name."""

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=1).encode()


@dataclass(frozen=True)
class Bundle:
    """A verified, parsed bundle."""

    sha256: str
    manifest: Manifest
    forecaster: Forecaster


def write_bundle(
    store: Path, forecaster: ForecasterSpec, trees: Mapping[str, str], golden_rows: np.ndarray, **about: Any
) -> tuple[str, Path]:
    """Write a bundle into the store and return its SHA-256 and folder.

    ``trees`` maps a question to LightGBM's text; ``about`` are the manifest's remaining fields. The same
    content always gives the same SHA-256. The folder appears whole or not at all.
    """
    contents = {SPEC: _json(forecaster.model_dump(mode="json"))}
    contents |= {f"{question}.lgb": text.encode() for question, text in trees.items()}
    contents[GOLDEN] = _json(_golden(Forecaster(forecaster, _boosters(contents)), golden_rows))
    manifest = Manifest(
        features=forecaster.features,
        files={name: sha256(content).hexdigest() for name, content in contents.items()},
        **about,
    )
    contents[MANIFEST] = manifest.to_bytes()
    identity = sha256(contents[MANIFEST]).hexdigest()
    return identity, _placed(store / identity, contents)


def _placed(folder: Path, contents: Mapping[str, bytes]) -> Path:
    """Write the files beside the folder, then give them its name in one step."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".growing-", ignore_cleanup_errors=True) as growing:
        for name, content in contents.items():
            (Path(growing) / name).write_bytes(content)
        Path(growing).chmod(0o755)
        try:
            Path(growing).rename(folder)
        except OSError:
            # A folder of that name holds the same content already: written before, or by someone faster.
            if not folder.is_dir():
                raise
    return folder


def read_bundle(folder: Path, expected_sha256: str) -> Bundle:
    """Verify every byte, then parse, then check the golden rows.

    Raises SecurityError naming the file that is not the one registered, ServiceError for one that does not parse.
    """
    contents = verify(folder, expected_sha256)
    try:
        manifest = Manifest.model_validate_json(contents[MANIFEST])
        spec = ForecasterSpec.model_validate_json(contents[SPEC])
        golden = json.loads(contents[GOLDEN])
        rows = np.array([[np.nan if v is None else v for v in row] for row in golden["rows"]], dtype=np.float64)
        answers = np.array(golden["answers"], dtype=np.float64)
    except (PydanticValidationError, ValueError, KeyError, TypeError) as error:
        raise ServiceError(f"Bundle {expected_sha256[:12]} does not parse: {error}.") from error
    forecaster = Forecaster(spec, _boosters(contents))
    today = np.array(_golden(forecaster, rows)["answers"])
    if today.shape != answers.shape or not np.allclose(today, answers, rtol=0, atol=GOLDEN_TOLERANCE):
        raise ServiceError(f"Bundle {expected_sha256[:12]} does not give its golden answers on this machine.")
    return Bundle(expected_sha256, manifest, forecaster)


def try_bundle(folder: Path, expected_sha256: str) -> None:
    """Read the bundle in a throw-away process. Raises ServiceError or SecurityError if it fails, dies or hangs."""
    verify(folder, expected_sha256)
    command = [sys.executable, "-m", "core.registry.trial", str(folder), expected_sha256]
    try:
        trial = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"Bundle {expected_sha256[:12]} hung for {TRIAL_SECONDS:.0f} s when tried.") from error
    if trial.returncode:
        last = (trial.stderr.strip().splitlines() or ["no message"])[-1]
        raise ServiceError(f"Bundle {expected_sha256[:12]} failed its trial (exit {trial.returncode}): {last}")


def verify(folder: Path, expected_sha256: str) -> dict[str, bytes]:
    """The bundle's files by name, every byte checked and nothing parsed but the verified manifest.

    Raises SecurityError naming the file that is missing or not the one registered.
    """
    try:
        manifest = (folder / MANIFEST).read_bytes()
        if sha256(manifest).hexdigest() != expected_sha256:
            raise SecurityError(f"{MANIFEST} in {folder.name[:12]} is not the one registered ({expected_sha256[:12]}).")
        listed: dict[str, str] = json.loads(manifest)["files"]
        contents = {MANIFEST: manifest}
        for name, digest in listed.items():
            if Path(name).name != name:
                raise SecurityError(f"{MANIFEST} in {folder.name[:12]} names a path: {name!r}.")
            contents[name] = (folder / name).read_bytes()
            if sha256(contents[name]).hexdigest() != digest:
                raise SecurityError(f"{name} in {folder.name[:12]} is damaged: its SHA-256 is not the registered one.")
    except OSError as error:
        missing = Path(error.filename or folder).name
        raise SecurityError(f"Bundle {expected_sha256[:12]} is incomplete: {missing} cannot be read.") from error
    return contents


def _boosters(contents: Mapping[str, bytes]) -> dict[str, Any]:
    texts = {question: contents[f"{question}.lgb"] for question in QUESTIONS if f"{question}.lgb" in contents}
    if not texts:
        return {}
    import lightgbm

    return {question: lightgbm.Booster(model_str=text.decode()) for question, text in texts.items()}


def _golden(forecaster: Forecaster, rows: np.ndarray) -> dict[str, Any]:
    answers = [(f.outcome.home, f.outcome.draw, f.outcome.away, f.margin, f.total) for f in forecaster.predict(rows)]
    return {"rows": [[None if np.isnan(v) else float(v) for v in row] for row in rows], "answers": answers}


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, allow_nan=False).encode()

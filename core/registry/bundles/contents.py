"""A model as files: JSON, LightGBM's own text, and a signed manifest with the SHA-256 of each. No pickle.

A damaged LightGBM text can abort or hang the process that parses it, so ``files`` checks every byte before any parser
sees one, and ``trial`` reads a new bundle in a separate process first.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import ValidationError as PydanticValidationError

from core.arrays import FloatArray
from core.errors import ServiceError
from core.registry.bundles.files import GOLDEN, MANIFEST, SPEC, TREES, place_bundle, read_verified
from core.registry.forecaster import Forecaster, ForecasterSpec
from core.registry.manifest import BundleManifest
from core.signing import Signer

GOLDEN_TOLERANCE: Final = 1e-9


@dataclass(frozen=True)
class Bundle:
    """A verified, parsed bundle."""

    sha256: str
    manifest: BundleManifest
    forecaster: Forecaster
    golden_rows: FloatArray
    """Feature rows whose forecasts are stored in the bundle, shape (rows, features)."""


def write_bundle(
    store: Path,
    signer: Signer,
    forecaster: ForecasterSpec,
    trees: Mapping[str, str],
    golden_rows: FloatArray,
    **about: Any,
) -> tuple[str, Path]:
    """Write a signed bundle into the store and return its SHA-256 and folder.

    ``trees`` maps a question to LightGBM's text; ``about`` are the manifest's remaining fields. The same content always
    gives the same SHA-256, whatever the key. The folder appears whole or not at all.
    """
    contents = {SPEC: _json(forecaster.model_dump(mode="json"))}
    contents |= {TREES[question]: text.encode() for question, text in trees.items()}
    contents[GOLDEN] = _json(_golden(Forecaster(forecaster, _boosters(contents)), golden_rows))
    manifest = BundleManifest(
        features=forecaster.features,
        files={name: sha256(content).hexdigest() for name, content in contents.items()},
        **about,
    )
    contents[MANIFEST] = manifest.to_bytes()
    identity = sha256(contents[MANIFEST]).hexdigest()
    return identity, place_bundle(store / identity, contents, signer.sign(contents[MANIFEST]))


def read_bundle(folder: Path, expected_sha256: str, signer: Signer) -> Bundle:
    """Verify every byte of the bundle in a folder, parse it, and check its golden rows.

    Raises SecurityError naming the file that is not the one signed and registered, ServiceError for a bundle that does
    not parse. A registered version is opened by ``store.BundleStore``, which also fetches it.
    """
    return parse_bundle(expected_sha256, read_verified(folder, expected_sha256, signer))


def parse_bundle(identity: str, contents: Mapping[str, bytes]) -> Bundle:
    """The bundle of these verified files.

    Raises ServiceError when a part is missing, contradicts another, or gives other forecasts for the golden rows.
    """
    try:
        manifest = BundleManifest.model_validate_json(contents[MANIFEST])
        spec = ForecasterSpec.model_validate_json(contents[SPEC])
        golden = json.loads(contents[GOLDEN])
        rows = np.array([[np.nan if v is None else v for v in row] for row in golden["rows"]], dtype=np.float64)
        answers = np.array(golden["answers"], dtype=np.float64)
    except (PydanticValidationError, ValueError, KeyError, TypeError) as error:
        raise ServiceError(f"Bundle {identity[:12]} does not parse: {error}.") from error
    boosters = _boosters(contents)
    _must_agree(identity, manifest, spec, boosters)
    forecaster = Forecaster(spec, boosters)
    today = np.array(_golden(forecaster, rows)["answers"])
    if today.shape != answers.shape or not np.allclose(today, answers, rtol=0, atol=GOLDEN_TOLERANCE):
        raise ServiceError(f"Bundle {identity[:12]} does not give its golden answers on this machine.")
    return Bundle(identity, manifest, forecaster, rows)


def _must_agree(identity: str, manifest: BundleManifest, spec: ForecasterSpec, boosters: Mapping[str, Any]) -> None:
    """Raise ServiceError unless manifest, forecaster and trees have the same columns in the same order."""
    names = [label.partition("@")[0] for label in manifest.features]
    if spec.features != manifest.features:
        raise ServiceError(f"Bundle {identity[:12]}: {SPEC} has other features than {MANIFEST}.")
    for question, name in TREES.items():
        if getattr(spec, question).trees_weight and question not in boosters:
            raise ServiceError(f"Bundle {identity[:12]} lacks {name}, which its forecaster uses.")
    for question, booster in boosters.items():
        if booster.feature_name() != names:
            raise ServiceError(f"Bundle {identity[:12]}: {TREES[question]} has other features than {MANIFEST}.")


def _boosters(contents: Mapping[str, bytes]) -> dict[str, Any]:
    texts = {question: contents[name] for question, name in TREES.items() if name in contents}
    if not texts:
        return {}
    import lightgbm

    return {question: lightgbm.Booster(model_str=text.decode()) for question, text in texts.items()}


def _golden(forecaster: Forecaster, rows: FloatArray) -> dict[str, Any]:
    answers = [forecast.numbers for forecast in forecaster.predict(rows)]
    return {"rows": [[None if np.isnan(v) else float(v) for v in row] for row in rows], "answers": answers}


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, allow_nan=False).encode()

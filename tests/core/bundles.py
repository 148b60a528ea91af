"""A tiny forecaster with coefficients written by hand, as a bundle in a folder."""

import json
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from core.registry.bundles.contents import write_bundle
from core.registry.bundles.files import MANIFEST, SIGNATURE
from core.registry.forecaster import Calibration, ForecasterSpec, Head, ScoreSpread
from core.registry.linear import Linear
from core.signing import Signer

OURS = Signer(b"the key of these tests", "bundle")
NAMES = ["rating_gap", "form_gap"]

ROWS = np.array([[0.0, 1.0], [2.0, np.nan], [-1.5, 0.3]])
ABOUT: dict[str, Any] = {
    "model": "EPL-results",
    "sport": "soccer",
    "league": "EPL",
    "variant": "results",
    "recipe": "plain",
    "fingerprint": "f" * 64,
    "snapshot_sha256": "5" * 64,
    "trained_until": datetime(2024, 4, 30, tzinfo=UTC),
    "games": 380,
}


def linear(*rows: tuple[float, float], intercepts: tuple[float, ...]) -> Linear:
    return Linear(means=(0.0, 0.0), scales=(1.0, 2.0), coefficients=rows, intercepts=intercepts)


def spec(trees_weight: float = 0.25) -> ForecasterSpec:
    share = (1 - trees_weight,)
    outcome = linear((0.5, 0.1), (0.0, 0.0), (-0.5, -0.1), intercepts=(0.3, 0.0, -0.1))
    return ForecasterSpec(
        classes=("home", "draw", "away"),
        features=("rating_gap@1", "form_gap@1"),
        outcome=Head(linears=(outcome,), weights=share, trees_weight=trees_weight),
        calibration=Calibration(slope=1.1, shifts=(0.0, 0.05, 0.0)),
        margin=Head(linears=(linear((0.8, 0.0), intercepts=(0.3,)),), weights=(1.0,), trees_weight=0.0),
        total=Head(linears=(linear((0.0, 0.1), intercepts=(2.7,)),), weights=share, trees_weight=trees_weight),
        shape=ScoreSpread(scores="goals", margin_deviation=1.6, total_deviation=1.7, dispersion=1.0, tie_rate=0.0),
    )


@cache
def trees() -> dict[str, str]:
    """LightGBM's text of two small models."""
    generator = np.random.default_rng(7)
    table = generator.normal(size=(200, 2))
    usual = {"num_threads": 1, "verbose": -1, "num_leaves": 4, "deterministic": True, "seed": 1}
    outcome = lightgbm.train(
        {**usual, "objective": "multiclass", "num_class": 3},
        lightgbm.Dataset(table, np.digitize(table[:, 0], (-0.5, 0.5)), feature_name=NAMES),
        num_boost_round=3,
    )
    total = lightgbm.train({**usual}, lightgbm.Dataset(table, 2.5 + table[:, 1], feature_name=NAMES), num_boost_round=3)
    return {"outcome": outcome.model_to_string(), "total": total.model_to_string()}


def tiny_bundle(store: Path, **changes: Any) -> tuple[str, Path]:
    """SHA-256 and folder of the bundle in the store."""
    return write_bundle(store, OURS, spec(), trees(), ROWS, **{**ABOUT, **changes})


def forbid_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on whoever parses fails the test."""

    def parsed(*_args: Any, **_options: Any) -> None:
        raise AssertionError("a parser saw unverified bytes")

    monkeypatch.setattr(lightgbm, "Booster", parsed)
    monkeypatch.setattr(ForecasterSpec, "model_validate_json", parsed)


def forged(folder: Path, name: str, content: bytes, signer: Signer = OURS) -> str:
    """Replace a file and make manifest and signature agree with it; returns the bundle's new SHA-256."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["files"][name] = sha256(content).hexdigest()
    return remanifested(folder, manifest, signer)


def remanifested(folder: Path, manifest: dict[str, Any], signer: Signer = OURS) -> str:
    """Write and sign another manifest; returns the bundle's new SHA-256."""
    text = json.dumps(manifest).encode()
    (folder / MANIFEST).write_bytes(text)
    (folder / SIGNATURE).write_text(signer.sign(text))
    return sha256(text).hexdigest()

"""A bundle that somebody else wrote, changed or swapped is refused; one that crashes its reader harms no service."""

import json
import os
import pickle
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256 as digest
from pathlib import Path
from random import Random
from typing import Any

import lightgbm
import numpy as np
import pytest

from core.errors import DbsbmError, SecurityError, ServiceError
from core.registry.bundles.contents import read_bundle, write_bundle
from core.registry.bundles.files import GOLDEN, LARGEST_FILE, MANIFEST, SIGNATURE, SPEC
from core.registry.bundles.trial import check_forecasts, try_bundle
from core.registry.forecaster import Forecaster, ForecasterSpec
from core.signing import Signer
from tests.core.bundles import ABOUT, OURS, ROWS, forbid_parsers, forged, remanifested, spec, tiny_bundle, trees

THEIRS = Signer(b"a key of somebody else", "bundle")


def grown_bundle(store: Path) -> tuple[str, Path]:
    """A bundle whose trees are real ones: 60 rounds of 7 leaves on three classes."""
    random = np.random.default_rng(3)
    table = random.normal(size=(900, 2))
    outcomes = np.digitize(table[:, 0] + random.normal(size=900), (-0.5, 0.5))
    parameters = {"objective": "multiclass", "num_class": 3, "num_leaves": 7, "num_threads": 1, "verbose": -1}
    data = lightgbm.Dataset(table, outcomes, feature_name=["rating_gap", "form_gap"])
    outcome = lightgbm.train(parameters, data, num_boost_round=60).model_to_string()
    return write_bundle(store, OURS, spec(), {**trees(), "outcome": outcome}, table[:50], **ABOUT)


def damaged(content: bytes, random: Random) -> bytes:
    """One flipped bit, a cut, or another child index in a LightGBM text."""
    place = random.randrange(len(content))
    match random.randrange(3):
        case 0:
            return content[:place] + bytes([content[place] ^ (1 << random.randrange(8))]) + content[place + 1 :]
        case 1:
            return content[:place]
        case _:
            line = random.choice([line for line in content.split(b"\n") if line.startswith(b"left_child=")])
            first, *others = line.removeprefix(b"left_child=").split()
            wild = b"left_child=" + b" ".join((str(int(first) + random.choice((1, 7, 10**6))).encode(), *others))
            return content.replace(line, wild, 1)


def test_sixty_damaged_bundles_are_refused_before_any_parser_sees_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256, folder = grown_bundle(tmp_path)
    forbid_parsers(monkeypatch)
    whole = (folder / "outcome.lgb").read_bytes()
    for seed in range(60):
        (folder / "outcome.lgb").write_bytes(damaged(whole, Random(seed)))
        for read in (read_bundle, try_bundle):
            with pytest.raises(SecurityError, match=r"outcome\.lgb in .* is damaged"):
                read(folder, sha256, OURS)


@pytest.mark.slow
def test_damage_under_our_own_signature_stays_in_the_throw_away_process(tmp_path: Path) -> None:
    _, folder = grown_bundle(tmp_path)
    whole = (folder / "outcome.lgb").read_bytes()
    refused = 0
    for seed in range(9):
        forgery = forged(folder, "outcome.lgb", damaged(whole, Random(seed)))
        with suppress(ServiceError):
            try_bundle(folder, forgery, OURS, seconds=5)
            refused -= 1
        refused += 1
    # Some flips change nothing (a digit of a comment); nearly all others are seen, and this process still lives.
    assert refused >= 5


def test_a_bundle_with_recomputed_hashes_and_a_changed_deployment_is_refused_without_our_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, folder = tiny_bundle(tmp_path)
    forbid_parsers(monkeypatch)
    forgery = forged(folder, SPEC, b"{}", THEIRS)
    for read in (read_bundle, try_bundle):
        with pytest.raises(SecurityError, match="does not bear our signature"):
            read(folder, forgery, OURS)


@pytest.mark.parametrize("signature", [b"", b"0" * 64, b"\xff\xfe", "\N{SNOWMAN}".encode()])
def test_a_signature_that_is_none_is_refused(signature: bytes, tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    (folder / SIGNATURE).write_bytes(signature)
    with pytest.raises(SecurityError, match="does not bear our signature"):
        read_bundle(folder, sha256, OURS)


def test_a_signature_made_for_another_purpose_is_refused(tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    cache = Signer(b"the key of these tests", "cache")
    (folder / SIGNATURE).write_text(cache.sign((folder / MANIFEST).read_bytes()))
    with pytest.raises(SecurityError, match="does not bear our signature"):
        read_bundle(folder, sha256, OURS)


def test_an_older_bundle_of_ours_in_the_place_of_a_newer_one_is_refused(tmp_path: Path) -> None:
    old_sha256, old = tiny_bundle(tmp_path, games=380)
    new_sha256, new = tiny_bundle(tmp_path, games=760)
    assert read_bundle(old, old_sha256, OURS).manifest.games == 380
    for file in old.iterdir():
        (new / file.name).write_bytes(file.read_bytes())
    with pytest.raises(SecurityError, match="is not the one registered"):
        read_bundle(new, new_sha256, OURS)


def test_the_key_changes_the_signature_and_not_the_identity(tmp_path: Path) -> None:
    first, folder = write_bundle(tmp_path, THEIRS, spec(), trees(), ROWS, **ABOUT)
    again, same = tiny_bundle(tmp_path)
    assert (first, folder) == (again, same)
    assert read_bundle(folder, again, OURS).sha256 == first, "written again under the new key, it bears the new key"


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE, SPEC, "outcome.lgb"])
def test_a_link_in_the_place_of_a_file_is_refused(name: str, tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(SecurityError, match=f"{name} cannot be read"):
        read_bundle(folder, sha256, OURS)


def test_a_pipe_in_the_place_of_a_file_is_refused_without_waiting(tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    (folder / SPEC).unlink()
    os.mkfifo(folder / SPEC)
    with pytest.raises(SecurityError, match="no regular file"):
        read_bundle(folder, sha256, OURS)


def test_a_file_of_two_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    os.truncate(folder / GOLDEN, 2 * 2**30)
    with pytest.raises(SecurityError, match=r"golden\.json .* is too large: 2,048 MiB, 64 allowed"):
        read_bundle(folder, sha256, OURS)
    os.truncate(folder / GOLDEN, LARGEST_FILE)
    with pytest.raises(SecurityError, match="damaged"):
        read_bundle(folder, sha256, OURS)


class Canary:
    """Whoever unpickles this leaves a trace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.skops", "outcome.lgb", SPEC, GOLDEN])
@pytest.mark.parametrize("signed", [True, False])
def test_a_planted_pickle_is_never_opened(name: str, signed: bool, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    sha256, folder = tiny_bundle(tmp_path / "store")
    content = pickle.dumps(Canary(canary))
    if signed:
        sha256 = forged(folder, name, content)
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(DbsbmError):
        try_bundle(folder, sha256, OURS)
    assert not canary.exists()
    pickle.loads(content)
    assert canary.exists()


def test_a_foreign_file_in_the_folder_is_named(tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    (folder / "notes.txt").touch()
    with pytest.raises(SecurityError, match=r"'notes\.txt' in .* is foreign"):
        read_bundle(folder, sha256, OURS)


def rewritten(folder: Path, **shape: Any) -> str:
    """The bundle with another shape of the scores, signed by us; returns its SHA-256."""
    content = json.loads((folder / SPEC).read_bytes())
    content["shape"].update(shape)
    return forged(folder, SPEC, json.dumps(content).encode())


def test_a_bundle_that_needs_more_memory_than_allowed_fails_its_trial(tmp_path: Path) -> None:
    _, folder = tiny_bundle(tmp_path)
    forgery = rewritten(folder, scores="points", margin_deviation=9_000.0)
    with pytest.raises(ServiceError, match="failed its trial"):
        try_bundle(folder, forgery, OURS)


@pytest.mark.slow
def test_a_bundle_that_is_slow_is_refused_with_the_number(tmp_path: Path) -> None:
    _, folder = tiny_bundle(tmp_path)
    rewritten(folder, scores="points", margin_deviation=100_000.0, total_deviation=100_000.0)
    golden = json.loads((folder / GOLDEN).read_bytes())
    slow = ForecasterSpec.model_validate_json((folder / SPEC).read_bytes())
    sha256, folder = write_bundle(tmp_path, OURS, slow, trees(), np.array(golden["rows"], dtype=float), **ABOUT)
    with pytest.raises(ServiceError, match=r"takes \d+ ms for one game, 50 ms allowed"):
        try_bundle(folder, sha256, OURS)


def test_answers_that_are_no_numbers_fail_the_trial(tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    bundle = read_bundle(folder, sha256, OURS)
    check_forecasts(bundle)
    sound = spec(trees_weight=0.0)
    wild = sound.model_copy(update={"calibration": sound.calibration.model_copy(update={"slope": float("nan")})})
    with pytest.raises(ServiceError, match="not a number"):
        check_forecasts(replace(bundle, forecaster=Forecaster(wild, {})))


def test_a_bundle_without_the_trees_that_its_forecaster_uses_is_refused(tmp_path: Path) -> None:
    _, folder = tiny_bundle(tmp_path)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    del manifest["files"]["outcome.lgb"]
    (folder / "outcome.lgb").unlink()
    with pytest.raises(ServiceError, match=r"lacks outcome\.lgb"):
        read_bundle(folder, remanifested(folder, manifest), OURS)


@pytest.mark.parametrize(
    ("question", "change"),
    [
        ("outcome", {"means": [0.0]}),
        ("outcome", {"coefficients": [[0.1, 0.2]]}),
        ("margin", {"coefficients": [[0.1, 0.2, 0.3]]}),
        ("total", {"intercepts": []}),
    ],
)
def test_a_linear_model_of_another_size_does_not_parse(question: str, change: dict[str, Any], tmp_path: Path) -> None:
    _, folder = tiny_bundle(tmp_path)
    content = json.loads((folder / SPEC).read_bytes())
    content[question]["linears"][0].update(change)
    forgery = forged(folder, SPEC, json.dumps(content).encode())
    with pytest.raises(ServiceError, match=f"(?s)does not parse.*{question}: a linear model does not fit"):
        read_bundle(folder, forgery, OURS)


def test_columns_in_another_order_than_the_manifests_are_refused(tmp_path: Path) -> None:
    _, folder = tiny_bundle(tmp_path)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    swapped = {**manifest, "features": manifest["features"][::-1]}
    with pytest.raises(ServiceError, match="has other features"):
        read_bundle(folder, remanifested(folder, swapped), OURS)
    content = json.loads((folder / SPEC).read_bytes())
    content["features"] = content["features"][::-1]
    (folder / SPEC).write_bytes(json.dumps(content).encode())
    swapped["files"][SPEC] = digest((folder / SPEC).read_bytes()).hexdigest()
    with pytest.raises(ServiceError, match=r"outcome\.lgb has other features"):
        read_bundle(folder, remanifested(folder, swapped), OURS)


def test_the_throw_away_process_sees_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python imports ``sitecustomize`` when it starts; this one writes down what the process was given."""
    seen = tmp_path / "seen.json"
    (tmp_path / "sitecustomize.py").write_text(
        f"import json, os, sys\nopen({str(seen)!r}, 'w').write(json.dumps([dict(os.environ), sys.orig_argv]))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SIGNING_KEY", "a secret of sixteen")
    monkeypatch.setenv("DATABASE_URL", "mysql+pymysql://user:secret@host/db")
    sha256, folder = tiny_bundle(tmp_path)
    try_bundle(folder, sha256, OURS)
    environment, arguments = json.loads(seen.read_text())
    assert "PATH" in environment
    assert not {"SIGNING_KEY", "DATABASE_URL"} & environment.keys()
    assert not any("secret" in text for text in (*environment.values(), *arguments))

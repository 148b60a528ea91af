"""A bundle comes from the store if it is whole and ours, from MLflow's artifacts otherwise, and never unverified."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import ExternalServiceError, SecurityError
from core.registry import fetch
from core.registry.bundle import read_bundle
from core.registry.bundle_files import SIGNATURE, SPEC
from core.registry.deployment import Version
from core.registry.fetch import fetch_bundle, sign_again
from core.signing import Signer
from tests.core.bundles import OURS, forged, tiny_bundle

DAY = datetime(2024, 5, 1, tzinfo=UTC)


def version(sha256: str) -> Version:
    return Version(
        model="EPL-results", version=1, sport="soccer", league="EPL", variant="results", recipe="test",
        bundle_sha256=sha256, features="f", snapshot_sha256="s", trained_until=DAY, registered_at=DAY, run_id="r",
        scores={},
    )  # fmt: skip


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What MLflow would deliver; a folder that is not there is an MLflow that does not answer."""
    folder = tmp_path / "artifacts"

    def download(_version: Version, target: Path, _uri: str) -> None:
        if not folder.is_dir():
            raise ExternalServiceError("MLflow is away.")
        shutil.copytree(folder, target, symlinks=True)

    monkeypatch.setattr(fetch, "_download", download)
    return folder


def delivered(artifacts: Path) -> str:
    sha256, folder = tiny_bundle(artifacts.parent / "elsewhere")
    shutil.copytree(folder, artifacts)
    return sha256


def test_a_bundle_that_is_not_there_is_downloaded_once(artifacts: Path, tmp_path: Path) -> None:
    sha256 = delivered(artifacts)
    folder = fetch_bundle(version(sha256), tmp_path / "store", "unused", OURS)
    shutil.rmtree(artifacts)
    assert fetch_bundle(version(sha256), tmp_path / "store", "unused", OURS) == folder
    assert read_bundle(folder, sha256, OURS).sha256 == sha256


def test_a_damaged_bundle_is_replaced_by_a_fresh_copy(artifacts: Path, tmp_path: Path) -> None:
    sha256 = delivered(artifacts)
    folder = fetch_bundle(version(sha256), tmp_path / "store", "unused", OURS)
    (folder / SPEC).write_bytes(b"{}")
    fetch_bundle(version(sha256), tmp_path / "store", "unused", OURS)
    assert read_bundle(folder, sha256, OURS).sha256 == sha256


def test_a_damaged_bundle_without_a_better_copy_is_refused_by_the_damaged_file(artifacts: Path, tmp_path: Path) -> None:
    sha256 = delivered(artifacts)
    folder = fetch_bundle(version(sha256), tmp_path / "store", "unused", OURS)
    (folder / SPEC).write_bytes(b"{}")
    shutil.rmtree(artifacts)
    with pytest.raises(SecurityError, match=r"forecaster\.json in .* is damaged"):
        fetch_bundle(version(sha256), tmp_path / "store", "unused", OURS)


def test_what_a_link_points_to_is_left_alone_when_a_fresh_copy_takes_its_place(artifacts: Path, tmp_path: Path) -> None:
    sha256 = delivered(artifacts)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    store = tmp_path / "store"
    store.mkdir()
    (store / sha256).symlink_to(precious)
    folder = fetch_bundle(version(sha256), store, "unused", OURS)
    assert not folder.is_symlink()
    assert (precious / "file").exists()


def test_a_forgery_that_mlflow_delivers_is_refused(artifacts: Path, tmp_path: Path) -> None:
    sha256 = delivered(artifacts)
    forgery = forged(artifacts, SPEC, b"{}")
    with pytest.raises(SecurityError, match="not the one registered"):
        fetch_bundle(version(sha256), tmp_path / "store", "unused", OURS)
    assert forgery != sha256


NEW_KEY = Signer(b"the key after the change", "bundle")


def test_a_bundle_of_an_older_key_is_signed_again_in_mlflow_first_and_only_once(
    artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = delivered(artifacts)
    store = tmp_path / "store"
    folder = fetch_bundle(version(sha256), store, "unused", OURS)
    told: list[str] = []
    monkeypatch.setattr(fetch, "_sign_copy", lambda _version, signature, _uri: told.append(signature))
    with pytest.raises(SecurityError, match="does not bear our signature"):
        fetch_bundle(version(sha256), store, "unused", NEW_KEY)
    assert [sign_again(version(sha256), store, "unused", NEW_KEY) for _ in range(2)] == [True, False]
    assert told == [(folder / SIGNATURE).read_text()]
    assert read_bundle(folder, sha256, NEW_KEY).sha256 == sha256
    assert list(store.iterdir()) == [folder]


def test_while_mlflow_cannot_take_the_new_signature_ours_stays_due(
    artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = delivered(artifacts)
    folder = fetch_bundle(version(sha256), tmp_path / "store", "unused", OURS)

    def away(*_given: object) -> None:
        raise ExternalServiceError("MLflow is away.")

    monkeypatch.setattr(fetch, "_sign_copy", away)
    with pytest.raises(ExternalServiceError):
        sign_again(version(sha256), tmp_path / "store", "unused", NEW_KEY)
    assert read_bundle(folder, sha256, OURS).sha256 == sha256


def test_what_is_not_the_registered_bundle_is_never_signed(artifacts: Path, tmp_path: Path) -> None:
    sha256 = delivered(artifacts)
    folder = fetch_bundle(version(sha256), tmp_path / "store", "unused", OURS)
    for store in (folder, artifacts):
        (store / SPEC).write_bytes(b"{}")
    with pytest.raises(SecurityError, match=r"forecaster\.json in .* is damaged"):
        sign_again(version(sha256), tmp_path / "store", "unused", NEW_KEY)
    forged(artifacts, SPEC, b"{}")
    forged(folder, SPEC, b"{}")
    with pytest.raises(SecurityError, match="is not the one registered"):
        sign_again(version(sha256), tmp_path / "store", "unused", NEW_KEY)
    assert not NEW_KEY.verifies((folder / "manifest.json").read_bytes(), (folder / SIGNATURE).read_text())

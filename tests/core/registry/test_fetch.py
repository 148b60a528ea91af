"""A bundle comes from the store if it is whole and ours, from MLflow's artifacts otherwise, and never unverified."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import ExternalServiceError, SecurityError
from core.registry.bundles.contents import read_bundle
from core.registry.bundles.fetch import fetch_bundle
from core.registry.bundles.files import SPEC
from core.registry.deployment import Version
from tests.core.bundles import OURS, forged, tiny_bundle

DAY = datetime(2024, 5, 1, tzinfo=UTC)

Fetch = Callable[[str, Path], Path]


def version(sha256: str) -> Version:
    return Version(
        model="EPL-results", version=1, sport="soccer", league="EPL", variant="results", recipe="test",
        bundle_sha256=sha256, features="f", snapshot_sha256="s", trained_until=DAY, registered_at=DAY, run_id="r",
        scores={},
    )  # fmt: skip


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """What MLflow would deliver; a folder that is not there is an MLflow that does not answer."""
    return tmp_path / "artifacts"


@pytest.fixture
def fetched(artifacts: Path) -> Fetch:
    """Fetches the bundle of a SHA-256 into a store, from ``artifacts`` instead of MLflow."""

    def download(_version: Version, target: Path, _uri: str) -> None:
        if not artifacts.is_dir():
            raise ExternalServiceError("MLflow is unavailable.")
        shutil.copytree(artifacts, target, symlinks=True)

    return lambda sha256, store: fetch_bundle(version(sha256), store, "unused", OURS, download)


def delivered(artifacts: Path) -> str:
    sha256, folder = tiny_bundle(artifacts.parent / "elsewhere")
    shutil.copytree(folder, artifacts)
    return sha256


def test_a_bundle_that_is_not_there_is_downloaded_once(artifacts: Path, fetched: Fetch, tmp_path: Path) -> None:
    sha256 = delivered(artifacts)
    folder = fetched(sha256, tmp_path / "store")
    shutil.rmtree(artifacts)
    assert fetched(sha256, tmp_path / "store") == folder
    assert read_bundle(folder, sha256, OURS).sha256 == sha256


def test_a_damaged_bundle_is_replaced_by_a_fresh_copy(artifacts: Path, fetched: Fetch, tmp_path: Path) -> None:
    sha256 = delivered(artifacts)
    folder = fetched(sha256, tmp_path / "store")
    (folder / SPEC).write_bytes(b"{}")
    fetched(sha256, tmp_path / "store")
    assert read_bundle(folder, sha256, OURS).sha256 == sha256


def test_a_damaged_bundle_without_a_better_copy_is_refused_by_the_damaged_file(
    artifacts: Path, fetched: Fetch, tmp_path: Path
) -> None:
    sha256 = delivered(artifacts)
    folder = fetched(sha256, tmp_path / "store")
    (folder / SPEC).write_bytes(b"{}")
    shutil.rmtree(artifacts)
    with pytest.raises(SecurityError, match=r"forecaster\.json in .* is damaged"):
        fetched(sha256, tmp_path / "store")


def test_what_a_link_points_to_is_left_alone_when_a_fresh_copy_takes_its_place(
    artifacts: Path, fetched: Fetch, tmp_path: Path
) -> None:
    sha256 = delivered(artifacts)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    store = tmp_path / "store"
    store.mkdir()
    (store / sha256).symlink_to(precious)
    folder = fetched(sha256, store)
    assert not folder.is_symlink()
    assert (precious / "file").exists()


def test_a_forgery_that_mlflow_delivers_is_refused(artifacts: Path, fetched: Fetch, tmp_path: Path) -> None:
    sha256 = delivered(artifacts)
    forgery = forged(artifacts, SPEC, b"{}")
    with pytest.raises(SecurityError, match="not the one registered"):
        fetched(sha256, tmp_path / "store")
    assert forgery != sha256

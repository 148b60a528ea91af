"""A bundle is verified byte by byte: a damaged one never reaches a parser; a new one is tried in its own process."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from core.errors import DbsbmError, SecurityError, ServiceError
from core.registry.bundles.contents import read_bundle
from core.registry.bundles.files import GOLDEN, MANIFEST, SIGNATURE, SPEC
from core.registry.bundles.trial import try_bundle
from core.registry.forecaster import Forecaster
from tests.core.bundles import OURS, ROWS, forbid_parsers, forged, remanifested, spec, tiny_bundle, trees

FILES = (MANIFEST, SIGNATURE, SPEC, GOLDEN, "outcome.lgb", "total.lgb")


def test_the_same_content_is_the_same_bundle_wherever_and_whenever_it_is_written(tmp_path: Path) -> None:
    first, folder = tiny_bundle(tmp_path / "a")
    again, same = tiny_bundle(tmp_path / "a")
    elsewhere, other = tiny_bundle(tmp_path / "b")
    assert first == again == elsewhere == folder.name
    assert folder == same
    assert {file.name for file in folder.iterdir()} == set(FILES)
    assert all((folder / name).read_bytes() == (other / name).read_bytes() for name in FILES)


def test_other_content_is_another_bundle(tmp_path: Path) -> None:
    assert len({tiny_bundle(tmp_path, games=games)[0] for games in (380, 381)}) == 2


def test_writers_of_one_bundle_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        written = set(pool.map(lambda _run: tiny_bundle(tmp_path), range(8)))
    ((sha256, folder),) = written
    assert [path.name for path in tmp_path.iterdir()] == [sha256]
    assert read_bundle(folder, sha256, OURS).sha256 == sha256


def test_a_read_bundle_forecasts_what_the_written_one_did(tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    bundle = read_bundle(folder, sha256, OURS)
    assert bundle.manifest.features == spec().features == ("rating_gap@1", "form_gap@1")
    fresh = Forecaster(spec(), {name: lightgbm.Booster(model_str=text) for name, text in trees().items()})
    for read, written in zip(bundle.forecaster.predict(ROWS), fresh.predict(ROWS), strict=True):
        assert np.array_equal(read.scores.grid, written.scores.grid)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_one_flipped_byte_is_refused_by_the_files_name_before_any_parser_sees_it(
    name: str, place: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    forbid_parsers(monkeypatch)
    content = bytearray((folder / name).read_bytes())
    content[int((len(content) - 1) * place)] ^= 1
    (folder / name).write_bytes(content)
    for read in (read_bundle, try_bundle):
        with pytest.raises(SecurityError, match=f"^{MANIFEST if name == SIGNATURE else name} in {sha256[:12]}"):
            read(folder, sha256, OURS)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    (folder / name).unlink()
    with pytest.raises(SecurityError, match=f"incomplete: {name} cannot be read"):
        read_bundle(folder, sha256, OURS)


def test_a_missing_folder_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(SecurityError, match="incomplete"):
        read_bundle(tmp_path / "none", "0" * 64, OURS)


def test_another_bundles_folder_is_not_the_registered_one(tmp_path: Path) -> None:
    registered, _ = tiny_bundle(tmp_path)
    _, other = tiny_bundle(tmp_path, games=1)
    with pytest.raises(SecurityError, match=f"{MANIFEST} in .* is not the one registered"):
        read_bundle(other, registered, OURS)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/b", "..", ".", "model.pkl", "", "outcome.lgb/"])
def test_a_manifest_that_names_a_path_or_a_file_that_no_bundle_has_is_refused(path: str, tmp_path: Path) -> None:
    _, folder = tiny_bundle(tmp_path)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    forgery = remanifested(folder, {**manifest, "files": {**manifest["files"], path: "0" * 64}})
    with pytest.raises(SecurityError, match="names a file that no bundle has"):
        read_bundle(folder, forgery, OURS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (SPEC, b"{"),
        (SPEC, b"{}"),
        (SPEC, b"\xff"),
        (GOLDEN, b"[]"),
        (GOLDEN, b"{}"),
        (GOLDEN, b'{"rows": [[1, "x"]], "answers": []}'),
    ],
)
def test_a_registered_bundle_that_does_not_parse_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    _, folder = tiny_bundle(tmp_path)
    forgery = forged(folder, name, content)
    with pytest.raises(ServiceError, match=f"{forgery[:12]} does not parse"):
        read_bundle(folder, forgery, OURS)


@pytest.mark.parametrize("left_out", [SPEC, GOLDEN])
def test_a_bundle_without_a_part_does_not_parse(left_out: str, tmp_path: Path) -> None:
    _, folder = tiny_bundle(tmp_path)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    del manifest["files"][left_out]
    (folder / left_out).unlink()
    with pytest.raises(ServiceError, match="does not parse"):
        read_bundle(folder, remanifested(folder, manifest), OURS)


@pytest.mark.parametrize("nudge", [1e-6, -0.2])
def test_other_golden_answers_than_this_machine_gives_are_refused(nudge: float, tmp_path: Path) -> None:
    _, folder = tiny_bundle(tmp_path)
    golden = json.loads((folder / GOLDEN).read_bytes())
    golden["answers"][1][0] += nudge
    forgery = forged(folder, GOLDEN, json.dumps(golden).encode())
    with pytest.raises(ServiceError, match="does not give its golden answers"):
        read_bundle(folder, forgery, OURS)


def test_fewer_golden_answers_than_rows_are_refused(tmp_path: Path) -> None:
    _, folder = tiny_bundle(tmp_path)
    golden = json.loads((folder / GOLDEN).read_bytes())
    forgery = forged(folder, GOLDEN, json.dumps({**golden, "answers": golden["answers"][:1]}).encode())
    with pytest.raises(ServiceError, match="golden"):
        read_bundle(folder, forgery, OURS)


def test_a_sound_bundle_passes_its_trial_and_one_that_does_not_end_counts_as_hung(tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    try_bundle(folder, sha256, OURS)
    with pytest.raises(ServiceError, match="hung"):
        try_bundle(folder, sha256, OURS, seconds=0.001)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("outcome.lgb", b"tree\nnum_class=3\n" + b"\x00" * 100),
        (GOLDEN, b'{"rows": [[0, 0]], "answers": [[1, 0, 0, 9, 9]]}'),
    ],
)
def test_a_bundle_that_kills_or_fails_its_reader_fails_its_trial_and_not_us(
    name: str, content: bytes, tmp_path: Path
) -> None:
    _, folder = tiny_bundle(tmp_path)
    forgery = forged(folder, name, content)
    with pytest.raises(ServiceError, match=f"{forgery[:12]} failed its trial") as refused:
        try_bundle(folder, forgery, OURS)
    assert isinstance(refused.value, DbsbmError)
    assert len(refused.value.message.splitlines()) == 1


def test_rows_of_another_width_are_refused(tmp_path: Path) -> None:
    sha256, folder = tiny_bundle(tmp_path)
    with pytest.raises(ValueError, match="expected rows of 2 features"):
        read_bundle(folder, sha256, OURS).forecaster.predict([[1.0, 2.0, 3.0]])

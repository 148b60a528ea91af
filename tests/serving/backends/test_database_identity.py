"""Files on disk belong to a database, whatever its address, and to no other one."""

import os
from pathlib import Path

import orjson
import pytest
from sqlalchemy.engine import URL, Engine, make_url

from core.database.engines import open_database
from core.signing import Signer, signer
from migrations import schema
from serving.backends.database_identity import ensure_identity, read_identity
from serving.backends.spool import Spool
from serving.backends.spool_census import SERVING_OPENING, SpoolCensus
from serving.backends.spool_files import PURPOSE, files_of, sign_line
from serving.backends.state_dir import StateDir, StateFolder, address_hash
from serving.predictions.spool_adoption import SpoolAdoption
from tests.databases import migrated_file
from tests.serving.backends.conftest import ProxiedWorld
from tests.serving.backends.test_spool import logged
from tests.serving.conftest import World
from tests.serving.dying_log import SIGNER, batch_of, log_over, row, spool_in
from tests.serving.service import Running, eventually, settings_for, started

GAME = "/v1/predictions/soccer/EPL/EPL-102"
BEFORE_IDENTITIES = "20261128_column_comments"


def shown(address: URL) -> str:
    return address.render_as_string(hide_password=False)


def is_database_down(running: Running) -> bool:
    return running.service.slate_follower.database_error is not None


def test_another_spelling_of_the_address_loses_no_prediction_and_starts_without_the_database(
    proxied: ProxiedWorld,
) -> None:
    settings = proxied.settings()
    with started(settings) as running:
        proxied.proxy.down()
        eventually(lambda: is_database_down(running))
        for _ in range(7):
            assert running.get(GAME).status_code == 200
    other_spelling = settings.database.set(host="localhost", query={"program_name": "dbsbm"})
    with started(proxied.settings(database_url=shown(other_spelling))) as running:
        assert running.get("/readyz").status_code == 200
        assert running.get(GAME).json()["stale"] is True
        eventually(lambda: running.metric("dbsbm_prediction_spool_depth") == 8)
        proxied.proxy.up()
        eventually(lambda: running.metric("dbsbm_prediction_spool_depth") == 0)
    assert len(logged(proxied.world.engine)) == 8
    assert SpoolCensus(settings.serving_dir).depths() == {}


def test_two_databases_below_one_folder_never_mix(proxied: ProxiedWorld, tmp_path: Path) -> None:
    settings = proxied.settings()
    with started(settings) as running:
        proxied.proxy.down()
        eventually(lambda: is_database_down(running))
        assert running.get(GAME).status_code == 200
        first = running.service.state_dir.folder.owner
    with started(proxied.settings(database_url=shown(settings.database.set(database="theirs")))) as running:
        assert running.get("/readyz").status_code == 503, "this database was never seen: nothing of another one answers"
    with started(proxied.settings(database_url=f"sqlite:///{migrated_file(tmp_path / 'other.db')}")) as running:
        running.service.log.step()
        assert running.service.log.spooled() == 0
        assert running.metric("dbsbm_prediction_spool_depth") == 0
        assert running.metric("dbsbm_prediction_spool_other_depth") == 1
        parts = {part["name"]: part for part in running.get("/v1/system/health").json()["parts"]}
        assert parts["other spools"]["status"] == "degraded"
        assert f"1 in {first}" in parts["other spools"]["cause"]
    proxied.proxy.up()
    with started(settings) as running:
        eventually(lambda: running.metric("dbsbm_prediction_spool_depth") == 0)
    assert len(logged(proxied.world.engine)) == 1


def test_everything_on_disk_is_for_this_user_alone(proxied: ProxiedWorld) -> None:
    settings, before = proxied.settings(), os.umask(0)
    try:
        with started(settings) as running:
            proxied.proxy.down()
            eventually(lambda: is_database_down(running))
            assert running.get(GAME).status_code == 200
            eventually(lambda: running.service.log.spooled() == 1)
    finally:
        os.umask(before)
    below = list(settings.serving_dir.rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in below if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in below if path.is_file()} == {0o600}
    assert {path.parent.name for path in below if path.is_file()} == {"spool", "last-good", "addresses"}


def test_a_server_over_an_older_schema_keeps_its_files_by_address_until_the_upgrade(world: World) -> None:
    settings = settings_for(world.engine, world.store)
    schema.downgrade(world.engine, BEFORE_IDENTITIES)
    with started(settings) as running:
        assert running.get(GAME).status_code == 200
        state = running.service.state_dir
        assert state.folder == StateFolder(settings.serving_dir / address_hash(settings.database), is_confirmed=True)
        assert (state.folder.path / "last-good" / "models").exists()
        spool_in_use = Spool(lambda: state.folder, signer(settings, PURPOSE), 10**6)
        assert spool_in_use.append(batch_of(row(0)).lines())
        spool_in_use.rotate()
        schema.upgrade(world.engine)
        eventually(lambda: state.folder.owner == read_identity(world.engine))
        eventually(lambda: (state.folder.path / "last-good" / "models").exists())
        running.service.spool_adoption._due = 0
        eventually(lambda: "id-0" in logged(world.engine))


def test_of_two_processes_both_get_the_first_ones_identity(database: Engine) -> None:
    assert read_identity(database) is None
    identity = ensure_identity(database)
    assert identity is not None
    assert ensure_identity(open_database(database.url)) == read_identity(database) == identity


def state_of(root: Path, engine: Engine) -> StateDir:
    return StateDir(root, engine.url, SIGNER)


def test_an_address_not_seen_before_is_guessed_only_if_one_database_can_be_meant(tmp_path: Path) -> None:
    notes = Signer(b"tests", "state-dir")
    seen: list[StateDir] = []
    for number, host in enumerate(("a.example", "b.example")):
        at = make_url(f"mysql://u:p@{host}:3306/dbsbm")
        known = open_database(make_url(f"sqlite:///{migrated_file(tmp_path / f'{number}.db')}"))
        seen.append(StateDir(tmp_path / "state", at, notes))
        seen[-1].confirm(known)
        moved = StateDir(tmp_path / "state", make_url("mysql://v:q@c.example/dbsbm?charset=utf8mb4"), notes)
        elsewhere = StateDir(tmp_path / "state", make_url("mysql://u:p@c.example/other"), notes)
        again = StateDir(tmp_path / "state", at, notes)
        assert not again.folder.is_confirmed
        assert again.folder.path == seen[-1].folder.path
        assert elsewhere.folder.path == elsewhere.by_address
        assert moved.folder.path == (seen[0].folder.path if number == 0 else moved.by_address)
    assert seen[0].folder.path != seen[1].folder.path
    forged = StateDir(tmp_path / "state", make_url("mysql://u:p@a.example:3306/dbsbm"), Signer(b"other", "state-dir"))
    assert forged.folder.path == forged.by_address


def old_spool(root: Path, name: str, *rows: int, mode: int = 0o644) -> Path:
    """A spool file as earlier versions wrote it: without signatures, in a folder named by an address."""
    folder = root / name / "spool"
    folder.mkdir(parents=True, mode=0o755)
    path = folder / "01700000000000000000-1.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in batch_of(*map(row, rows)).lines()))
    path.chmod(mode)
    return path


def adopt(engine: Engine, root: Path) -> None:
    """Start a log over the state folder of the database, and step until nothing changes."""
    state = state_of(root, engine)
    path = state.confirm(engine).path
    log = log_over(engine, path)
    SpoolAdoption(engine, state, log._spool, SIGNER).step()
    while log.step():
        pass


def test_a_spool_of_an_earlier_version_at_this_address_is_moved(sqlite_database: Engine, tmp_path: Path) -> None:
    path = old_spool(tmp_path, address_hash(sqlite_database.url), 0, 1, 2)
    adopt(sqlite_database, tmp_path)
    assert logged(sqlite_database) == ["id-0", "id-1", "id-2"]
    assert not path.exists()


def test_one_at_another_address_is_moved_if_the_database_holds_one_of_its_answers(
    sqlite_database: Engine, tmp_path: Path
) -> None:
    log = log_over(sqlite_database, tmp_path / "a")
    log.put_row(row(1))
    log.step()
    ours, theirs = old_spool(tmp_path, "0" * 12, 8, 9), old_spool(tmp_path, "1" * 12, 3, 4)
    adopt(sqlite_database, tmp_path)
    assert sorted(logged(sqlite_database)) == ["id-1", "id-8", "id-9"], "id-8 was served the answer of id-1"
    assert (ours.exists(), theirs.exists()) == (False, True)
    assert SpoolCensus(tmp_path).depths() == {"1" * 12: 2}


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_lines_without_signature_are_taken_from_no_file_that_others_can_write(
    sqlite_database: Engine, tmp_path: Path, mode: int
) -> None:
    path = old_spool(tmp_path, address_hash(sqlite_database.url), 0, mode=mode)
    adopt(sqlite_database, tmp_path)
    assert (logged(sqlite_database), path.exists()) == ([], True)


def test_forged_and_copied_lines_are_refused_and_kept_for_people(sqlite_database: Engine, tmp_path: Path) -> None:
    state = state_of(tmp_path, sqlite_database).confirm(sqlite_database)
    log = log_over(sqlite_database, state.path)
    other = spool_in(tmp_path / ("f" * 32), counted_prefix=SERVING_OPENING)
    assert other.append(batch_of(row(0)).lines())
    other.rotate()
    assert log._spool.append(batch_of(row(1)).lines())
    (copied,) = files_of(tmp_path / ("f" * 32) / "spool")
    forged = [b"\t".join((line, b"0" * 64)) for line in batch_of(row(2)).lines()]
    target = state.path / "spool" / "00000000000000000000-1.jsonl"
    target.write_bytes(copied.read_bytes() + b"".join(line + b"\n" for line in (*forged, *batch_of(row(3)).lines())))
    while log.step():
        pass
    assert logged(sqlite_database) == ["id-1"]
    assert log._metrics.registry.get_sample_value("dbsbm_prediction_log_dropped_total") == 6
    assert target.with_name(target.name + ".refused").exists()


def test_pipes_links_and_folders_among_the_files_stop_nothing(sqlite_database: Engine, tmp_path: Path) -> None:
    path = old_spool(tmp_path, address_hash(sqlite_database.url), 0)
    secret = tmp_path / "secret"
    secret.write_bytes(b'["secret"]\n')
    os.mkfifo(path.with_name("0.jsonl"))
    path.with_name("1.jsonl").symlink_to(secret)
    path.with_name("2.jsonl").mkdir()
    assert SpoolCensus(tmp_path).depths() == {path.parents[1].name: 1}
    adopt(sqlite_database, tmp_path)
    assert logged(sqlite_database) == ["id-0"]
    assert secret.exists()


def test_a_signature_covers_the_line_and_its_database() -> None:
    line = orjson.dumps({"answer_id": "a"})
    assert len({sign_line(SIGNER, owner, text) for owner in ("a", "b") for text in (line, line + b" ")}) == 4

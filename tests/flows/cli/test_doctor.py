"""What the doctor reports: of data without new facts for a day, and of checks that hang or break."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.settings import Settings, load_settings
from core.text.redaction import conceal
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact
from flows.cli.commands.doctor import CHECKS, Finding, run_checks
from migrations.step_journal import steps

ROOT = Path(__file__).parents[3]
NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def looked_at(engine: Engine, folder: Path) -> Finding:
    address = engine.url.render_as_string(hide_password=False)
    return CHECKS["data"](load_settings(_env_file=None, database_url=address, bundle_dir=folder), NOW)


@pytest.mark.parametrize(("hours", "state"), [(30, "stale"), (23, "ok")])
def test_data_is_stale_when_games_are_due_and_nothing_came_for_a_day(
    hours: int, state: str, sqlite_database: Engine, tmp_path: Path
) -> None:
    game = GameFact("g1", NOW - 99 * HOUR, 2023, NOW + HOUR, False, "Arsenal", "Chelsea", False, False, "scheduled")
    for source, ago in (("csv:old.csv", hours + 70), ("bot", hours)):
        facts = FactBatch([game._replace(neutral=source == "bot", known_at=NOW - ago * HOUR)])
        archive.record(
            sqlite_database, Leagues(BUILT_IN).get("EPL"), facts, source=source, recorded_at=NOW - ago * HOUR
        )
    finding = looked_at(sqlite_database, tmp_path)
    assert finding.state == state
    assert f"EPL 1 games (bot {hours} h old, csv:old.csv 4 d old)" in finding.detail
    assert ("EPL (1); run `dbsbm snapshot`" in finding.remedy) == (state == "stale")


def stored_text(engine: Engine) -> Finding:
    return CHECKS["text"](
        load_settings(_env_file=None, database_url=engine.url.render_as_string(hide_password=False)), NOW
    )


def test_names_that_would_be_damaged_are_missing_by_column(mariadb_database: Engine) -> None:
    assert (stored_text(mariadb_database).state, stored_text(mariadb_database).remedy) == ("ok", "")
    with mariadb_database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE team_aliases CONVERT TO CHARACTER SET latin1")
    finding = stored_text(mariadb_database)
    assert finding.state == "missing"
    assert "team_aliases.alias is latin1_swedish_ci instead of utf8mb4_bin" in finding.detail


def test_a_migration_that_was_killed_is_named_with_its_remedy(mariadb_database: Engine) -> None:
    with mariadb_database.begin() as connection:
        steps.create(connection)
        row = {
            "revision": "023",
            "direction": "upgrade",
            "number": 1,
            "statement": "ALTER api_keys",
            "table_sha256": "",
        }
        connection.execute(sa.insert(steps), [row])
    address = mariadb_database.url.render_as_string(hide_password=False)
    finding = CHECKS["database"](load_settings(_env_file=None, database_url=address), NOW)
    assert (finding.state, "the upgrade from 023 is unfinished, at ALTER api_keys" in finding.detail) == (
        "missing",
        True,
    )
    assert "dbsbm db upgrade" in finding.remedy


def test_a_check_that_hangs_or_breaks_is_a_finding_and_ends_no_other(tmp_path: Path) -> None:
    conceal("canary-doctor")
    released = Event()

    def hangs(_settings: Settings, _now: datetime) -> Finding:
        released.wait()
        return Finding("hanging", "ok", "too late")

    def breaks(_settings: Settings, _now: datetime) -> Finding:
        raise KeyError("canary-doctor")

    def works(_settings: Settings, _now: datetime) -> Finding:
        return Finding("working", "ok", "fine")

    checks = {"hanging": hangs, "breaking": breaks, "working": works}
    findings = run_checks(checks, load_settings(_env_file=None, bundle_dir=tmp_path), NOW, seconds=0.2)
    released.set()
    assert [(item.name, item.state) for item in findings] == [
        ("hanging", "missing"),
        ("breaking", "missing"),
        ("working", "ok"),
    ]
    assert "no answer within" in findings[0].detail
    assert findings[1].detail == "KeyError: '***'"


HANGING = """
import atexit, sys, time
from flows.cli.commands import doctor
from flows.cli.main import main

def hangs(settings, now):
    time.sleep(60)

doctor.CHECKS = {"hanging": hangs}
doctor.run_checks.__defaults__ = (0.2,)
atexit.register(time.sleep, 60)
sys.argv = ["dbsbm", "doctor"]
main()
"""


@pytest.mark.server
def test_the_command_ends_although_a_check_hangs_and_tidying_up_would_take_long(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGING], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (3, "")
    assert "MISSING  hanging       no answer within 0 s" in ended.stdout

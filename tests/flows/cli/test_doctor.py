"""What the doctor reports: of data without new facts for a day, and of checks that hang or break."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.redaction import conceal
from core.settings import Settings, load_settings
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact
from flows.cli.commands.doctor import CHECKS, Finding, run_checks

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

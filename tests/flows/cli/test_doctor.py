"""What the doctor reports of data without new facts for a day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.settings import load_settings
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact
from flows.cli.commands.doctor import CHECKS, Finding

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

"""Grading as a job, as a command, and after a look that brought results."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from typer.testing import CliRunner

from core.errors import DatabaseError
from core.settings import Settings
from flows.cli.main import app
from flows.jobs import collecting
from flows.jobs.collecting import make_collector
from flows.jobs.grading import grade_log, read_live_quality
from tests.conftest import NOW
from tests.generated import invented_facts
from tests.serving.monitoring.logged import Said, record, write_log


@pytest.fixture
def logged(sqlite_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    facts = invented_facts(1, games=10, quirks=False)
    record(sqlite_database, facts)
    write_log(
        sqlite_database,
        [Said(game.game_id, game.start_at - timedelta(hours=3), (0.5, 0.3, 0.2)) for game in facts.games],
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/ours.db")
    return Settings(database_url=f"sqlite:///{tmp_path}/ours.db")


def test_the_job_grades_and_prunes_by_the_setting(logged: Settings) -> None:
    leagues: list[str] = []
    report = grade_log(logged, NOW, lambda league, _done, _all: leagues.append(league))
    assert (report.tallied, report.graded, report.pruned, leagues) == (10, 10, 9, ["EPL"])
    assert {one.yardstick for one in read_live_quality(logged, [])} >= {"base_rate", "elo"}


def test_the_command_grades_and_shows_the_scores(logged: Settings) -> None:
    runner = CliRunner()
    assert "No forecast has been graded yet." in runner.invoke(app, ["grade", "--show-only"]).output
    done = json.loads(runner.invoke(app, ["grade", "--json"]).stdout)
    assert (done["graded"], done["skipped"]) == (10, [])
    assert done["scores"][0]["model"] == "EPL-results"
    shown = runner.invoke(app, ["grade", "--show-only", "--by", "lead_time"]).output
    assert "EPL-results" in shown
    assert "1h_to_6h" in shown
    assert "served" in shown


@pytest.mark.parametrize("fails", [False, True])
def test_a_look_that_brought_results_is_followed_by_a_grading(
    logged: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """An error of the grading does not keep forecasts from being current."""
    graded = []

    def grade(_settings: Settings, now: object) -> None:
        graded.append(now)
        if fails:
            raise DatabaseError("Database unavailable.")

    def look(_settings: Settings, now: object, ended: set[str]) -> set[str]:
        ended |= {"EPL"} if now == NOW else set()
        return {"EPL"}

    for name, stand_in in (("grade_log", grade), ("_look_at_bot", look)):
        monkeypatch.setattr(collecting, name, stand_in)
    updated = []
    monkeypatch.setattr(collecting, "build_features", lambda _settings, now, _leagues: updated.append(now))
    monkeypatch.setattr(collecting, "score_upcoming", lambda *_: None)
    collector = make_collector(logged.model_copy(update={"bot_database_url": logged.database_url}))
    later = NOW + timedelta(minutes=2)
    collector.step(NOW)
    collector.step(later)
    assert (graded, updated) == ([NOW], [NOW, later])

"""A training run leaves its snapshot behind, and the command line tells two of them apart."""

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.flows.conftest import Project

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("snapshots")]


def test_a_run_keeps_its_snapshot_and_the_diff_names_a_corrected_game(
    project: Project, archive_file: Path, tmp_path: Path
) -> None:
    project.run("db", "upgrade")
    with archive_file.open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    project.run("backfill", str(archive_file), one_game(tmp_path / "copy.csv", {**first, "game_id": "copy"}))
    project.run("train", "--league", "EPL", "--accept", "EPL-2023-told_twice")
    [artifact] = (project.folder / "mlflow").rglob("snapshot.json")
    manifest = json.loads(artifact.read_text(encoding="utf-8"))
    assert sum(part["facts"] for part in manifest["parts"] if part["kind"] == "games") == 381
    accepted = "EPL 2023: games under two ids (`dbsbm games suggest`): {} and copy (accepted as EPL-2023-told_twice)"
    assert accepted.format(first["game_id"]) in tags(project)["quality"]

    project.run("backfill", one_game(tmp_path / "correction.csv", {**first, "home_score": "17"}))
    tomorrow = "2100-01-01"

    found = project.json("features", "diff", "EPL-results:1", tomorrow, "--league", "EPL")
    assert found["before"] == manifest["sha256"]
    assert found["counts"] == {"added": 0, "removed": 0, "changed": 1}
    assert found["games"][0]["game_id"] == first["game_id"]
    shown = project.run("features", "diff", manifest["sha256"][:10], tomorrow, "-l", "EPL")
    assert "-> 17" in shown
    assert "nothing changed" in project.run("features", "diff", tomorrow, tomorrow, "-l", "EPL")


def one_game(path: Path, line: dict[str, str]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(line))
        writer.writeheader()
        writer.writerow(line)
    return str(path)


def tags(project: Project) -> dict[str, str]:
    """What the gate found doubtful, as MLflow keeps it beside the run."""
    with closing(sqlite3.connect(project.folder / "mlflow" / "mlflow.db")) as store:
        return dict(store.execute("SELECT key, value FROM tags WHERE key LIKE 'quality%'").fetchall())

"""The command line from an empty folder to a champion, a backtest and back, on the sample's real games as CSV."""

import csv
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from mlflow import MlflowClient

from flows.cli import commands as commands_package
from flows.cli.main import app
from flows.cli.output import flattened
from tests.feature_store.sources.csv.test_mapping import FOOTBALL_DATA, FOOTBALL_DATA_CSV
from tests.flows.conftest import Project
from tests.services import free_port

# Each command is a process that imports half the world; on a busy machine some tests run a dozen of them.
pytestmark = pytest.mark.timeout(1200)


def test_help_comes_within_half_a_second_of_python_itself(project: Project) -> None:
    """Help must not import the heavy libraries; a benchmark times it, this names the culprit."""
    from subprocess import run

    code = "import sys, flows.cli.main; print([m for m in ('rich','mlflow','lightgbm','sklearn','prefect','sqlalchemy','pandas') if m in sys.modules])"
    done = run([project.command[0], "-c", code], capture_output=True, text=True, check=True, env=project.environment)
    assert done.stdout.strip() == "[]"
    assert "backfill" in project.run("--help")


def test_a_command_before_the_schema_says_what_to_run(new_project: Callable[..., Project]) -> None:
    assert "dbsbm db upgrade" in new_project().run("models", expect=1)


def test_an_upgrade_of_a_database_with_rows_needs_a_backup_or_a_word(new_project: Callable[..., Project]) -> None:
    project = new_project(BACKUP_DIR="/proc")
    project.run("db", "upgrade")
    project.run("keys", "create", "the bot")
    project.run("db", "downgrade", "023", "--yes")
    assert "refused: The database holds rows, and their backup failed" in project.run("db", "upgrade", expect=4)
    project.settings["BACKUP_DIR"] = "backups"
    upgraded = project.json("db", "upgrade")
    assert (upgraded["before"], Path(upgraded["backup"]).parent) == ("023", Path("backups"))
    project.run("db", "downgrade", "023", "--yes")
    project.settings["BACKUP_DIR"] = "/proc"
    assert "schema 023 -> " in project.run("db", "upgrade", "--no-backup")


def test_a_restore_says_what_it_does_and_asks(new_project: Callable[..., Project]) -> None:
    project = new_project()
    project.run("db", "upgrade")
    key = project.json("keys", "create", "the bot")["id"]
    project.run("db", "backup", "b.gz")
    project.run("keys", "revoke", key)
    project.run("keys", "create", "another")
    plan = project.run("db", "restore", "b.gz", "--replace")
    assert f"keys revoked in this database stay revoked: {key} (the bot)" in plan
    assert "api_keys: 2 rows become 1" in plan
    assert "confirm with --yes" in plan
    assert "another" in project.run("keys", "list")
    assert "stay revoked" in project.run("db", "restore", "b.gz", "--replace", "--yes")
    listed = project.run("keys", "list")
    assert ("another" in listed, "revoked" in listed) == (False, True)


@pytest.fixture(scope="module")
def built(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the archive filled and version 1 of EPL-results as champion."""
    project = trained.copy(tmp_path_factory.mktemp("built") / "project")
    promoted = project.json("promote", "EPL-results")
    assert (promoted["promoted"], promoted["champion"]) == (True, 1)
    return project


def test_a_second_backfill_adds_nothing(built: Project, archive_file: Path) -> None:
    assert built.json("backfill", str(archive_file))["added"] == 0


def test_training_the_same_data_again_makes_no_new_version(built: Project) -> None:
    assert built.json("train", "--league", "EPL", "--through", "2025-03-31")["version"] == 1


def test_promoting_the_champion_again_is_a_conflict(built: Project) -> None:
    assert "champion already" in built.run("promote", "EPL-results", "--version", "1", expect=1)


def test_models_show_each_version_beside_the_yardsticks(built: Project) -> None:
    shown = built.run("models")
    assert "champion" in shown
    assert "basis" in shown.split("\n")[0]
    assert " own " in shown
    assert all(yardstick in shown for yardstick in ("base rate", "elo", "market"))


@pytest.fixture(scope="module")
def two_versions(backfilled: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An early version and a later one, neither promoted, for tests to copy."""
    project = backfilled.copy(tmp_path_factory.mktemp("two") / "project")
    for number, through in enumerate(("2025-03-15", "2025-05-05"), start=1):
        assert project.json("train", "--league", "EPL", "--through", through)["version"] == number
    return project


def test_a_version_is_refused_or_takes_over_and_is_rolled_back(two_versions: Project, tmp_path: Path) -> None:
    """The life of a model: an early version, a later and better one, and the way back."""
    project = two_versions.copy(tmp_path / "project")
    assert project.json("train", "--league", "EPL", "--through", "2023-11-30")["version"] == 3
    assert project.json("promote", "EPL-results", "--version", "1")["generation"] == 4
    refused = project.run("promote", "EPL-results", expect=4)
    assert "FAILED  enough games" in refused
    assert "champion of EPL-results is version 1 (generation 4), unchanged" in refused
    assert "version 2 (generation 5)" in project.run("promote", "EPL-results", "--version", "2")
    assert project.json("rollback", "EPL-results")["champion"] == 1
    assert project.json("models")["models"]["EPL-results"]["previous"] is None
    assert "no previous champion" in project.run("rollback", "EPL-results", expect=1)
    assert project.json("models")["models"]["EPL-results"]["champion"] == 1


def test_promotion_and_rollback_need_no_mlflow_and_its_aliases_follow_later(
    two_versions: Project, tmp_path: Path
) -> None:
    project = two_versions.copy(tmp_path / "project")
    there = project.settings["MLFLOW_TRACKING_URI"]
    project.settings["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    said = project.run("promote", "EPL-results", "--version", "1")
    assert "champion of EPL-results is version 1" in said
    assert "MLflow's aliases follow with the next train, promote or rollback: MLflow at" in said
    assert "champion already" in project.run("promote", "EPL-results", "--version", "1", expect=1)
    assert project.json("promote", "EPL-results")["champion"] == 2
    back = project.json("rollback", "EPL-results")
    assert (back["champion"], "127.0.0.1:9" in back["aliases_wait_for"]) == (1, True)
    assert "no previous champion" in project.run("rollback", "EPL-results", expect=1)
    project.settings["MLFLOW_TRACKING_URI"] = there
    assert aliases(there) == {"challenger": 2}
    assert "champion already" in project.run("promote", "EPL-results", "--version", "1", expect=1)
    assert aliases(there) == {"champion": 1}


def aliases(uri: str) -> dict[str, int]:
    found = MlflowClient(uri, uri).get_registered_model("EPL-results").aliases
    return {name: int(number) for name, number in found.items()}


def test_a_backtest_has_a_line_for_every_played_game(built: Project) -> None:
    file = built.folder / "backtest.csv"
    result = built.json("backtest", "--league", "EPL", "--seasons", "2024", "--no-odds", "--output", str(file))
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert len(rows) == result["games"] > 150
    assert list(rows[0]) == ["game_id", "p_home", "p_draw", "p_away", "margin", "total"]
    for row in rows:
        assert abs(sum(float(row[side]) for side in ("p_home", "p_draw", "p_away")) - 1) < 1e-9


def test_features_are_built_and_listed(built: Project) -> None:
    done = built.json("features", "build", "--league", "EPL", "--through", "2025-05-01")
    assert done["leagues"][0]["played"] > 300
    assert done["leagues"][0]["past_rows"] > 300
    again = built.json("features", "build", "--league", "EPL", "--through", "2025-05-01")
    assert (again["leagues"][0]["changed"], again["leagues"][0]["computed"]) == (0, 0)
    assert "rating_gap" in built.run("features", "list")


def test_rows_are_written_of_past_games_and_as_of_any_moment(built: Project, tmp_path: Path) -> None:
    past, then = tmp_path / "past.csv", tmp_path / "then.parquet"
    every = built.json("features", "rows", "--league", "EPL", "--output", str(past))["rows"]
    assert len(past.read_text().splitlines()) == every + 1
    later = built.json("features", "rows", "-l", "EPL", "-o", str(then), "--as-of", "2025-03-01")["rows"]
    assert 0 < later < every
    early = built.json("features", "rows", "-l", "EPL", "-o", str(then), "--known-by", "2025-03-01")["rows"]
    assert early < every
    assert "known-by" in built.run("features", "rows", "-l", "EPL", "-o", str(then), "--known-by", "then", expect=2)
    assert "output" in built.run("features", "rows", "-l", "EPL", "-o", str(tmp_path / "rows.txt"), expect=2)


def test_forecasts_leave_out_games_the_model_has_learnt_from(built: Project) -> None:
    found = built.json("forecast", "--league", "EPL", "--from", "2025-03-01", "--to", "2025-05-30")
    assert found["left_out"] > 0
    assert found["games"]
    assert min(game["start_at"] for game in found["games"]) >= "2025-04-01"


def test_backup_and_restore_bring_everything_back(built: Project, new_project: Callable[..., Project]) -> None:
    file = built.folder / "backup.jsonl.gz"
    rows = built.json("db", "backup", str(file))["rows"]
    other = new_project()
    other.run("db", "upgrade")
    assert "confirm with --yes" in other.run("db", "restore", str(file))
    assert other.json("db", "restore", str(file), "--yes")["rows"] == rows
    assert built.json("models")["versions"] == other.json("models")["versions"]


def test_a_damaged_bundle_is_fetched_anew(built: Project) -> None:
    sha = built.json("models")["versions"][0]["bundle_sha256"]
    spec = built.folder / "bundles" / sha / "forecaster.json"
    good = spec.read_bytes()
    spec.write_bytes(good.replace(b"1", b"2", 1))
    assert built.json("forecast", "--league", "EPL", "--from", "2025-04-01", "--to", "2025-05-30")["games"]
    assert spec.read_bytes() == good


def test_doctor_says_what_is_there_and_what_is_not(built: Project) -> None:
    checks = {item["name"]: item for item in built.json("doctor")["checks"]}
    assert checks["database"]["state"] == "ok"
    assert checks["redis"]["state"] == "absent"
    assert "EPL-results" in checks["models"]["detail"]


@pytest.mark.parametrize(
    ("arguments", "expect", "says"),
    [
        (("train", "--league", "EPLL"), 2, "Nearest: EPL"),
        (("train", "--league", "NFL"), 1, "NFL has 0 finished games"),
        (("promote", "EPL-result"), 2, "EPL-results"),
        (("backtest", "--league", "EPL", "--seasons", "1999"), 2, "no games of 1999"),
        (("backfill", "nowhere.csv"), 2, "nowhere.csv"),
        (("snapshot",), 2, "BOT_DATABASE_URL"),
        (("train",), 2, "--league"),
        (("flows", "run", "snapshoot"), 2, "snapshot"),
        (("flows", "serve"), 2, "PREFECT_API_URL"),
        (("predict", "Arsenal", "Everton"), 3, "dbsbm serve"),
    ],
)
def test_bad_input_is_named(built: Project, arguments: tuple[str, ...], expect: int, says: str) -> None:
    assert says in built.run(*arguments, expect=expect)


def test_a_wrong_setting_is_one_line_with_its_name(new_project: Callable[..., Project]) -> None:
    broken = new_project(PORT="eighty", DBSBM_ENV="prod")
    said = broken.run("models", expect=2)
    assert "PORT" in said
    assert "eighty" in said
    assert "DBSBM_ENV" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", [("flows", "serve"), ("flows", "run", "snapshot")])
def test_an_unavailable_prefect_server_is_one_line(
    new_project: Callable[..., Project], command: tuple[str, ...]
) -> None:
    said = new_project(PREFECT_API_URL="http://someone:hunter2@127.0.0.1:1/api").run(*command, expect=3)
    assert "The Prefect server at PREFECT_API_URL cannot be reached" in said
    assert "Traceback" not in said
    assert "hunter2" not in said


def test_an_unavailable_database_exits_3(new_project: Callable[..., Project]) -> None:
    project = new_project(DATABASE_URL="mysql+pymysql://someone:hunter2@127.0.0.1:1/none")
    began = time.monotonic()
    said = project.run("models", expect=3)
    assert "hunter2" not in said
    assert time.monotonic() - began < 60


def test_keys_are_shown_once_and_revoked(built: Project) -> None:
    made = built.json("keys", "create", "the bot")
    listed = built.run("keys", "list")
    assert made["id"] in listed
    assert made["key"] not in listed
    built.run("keys", "revoke", made["id"])
    assert "revoked" in built.run("keys", "list")


def test_teams_are_suggested_decided_listed_and_taken_back(new_project: Callable[..., Project]) -> None:
    project = new_project()
    project.run("db", "upgrade")
    lines = ["league,game_id,game_date,home_team,away_team,home_score,away_score",
             "EPL,g1,2024-04-27,Man United,Leeds,1,0", "EPL,g2,2024-05-04,Manchester United,Luton,2,0"]  # fmt: skip
    (project.folder / "games.csv").write_text("\n".join(lines))
    project.run("backfill", "games.csv")
    (found,) = project.json("teams", "suggest", "--league", "EPL")["suggestions"]
    assert (found["alias"], found["team"], found["likeness"]) == ("Man United", "Manchester United", 86)
    decide = ("teams", "alias", "--league", "premier league", "Man United", "Manchester United")
    assert [project.json(*decide)["new"] for _ in range(2)] == [True, False]
    assert "No two names of EPL look like one team" in project.run("teams", "suggest", "--league", "EPL")
    assert "Man United" in project.run("teams", "list")
    assert project.json("backfill", "games.csv")["leagues"]["EPL"]["corrections"] == 1
    assert "met on 2024-04-27" in project.run(
        "teams", "alias", "--league", "EPL", "Leeds", "Manchester United", expect=1
    )
    project.run("teams", "forget", "--league", "EPL", "Man United")
    assert "has no alias" in project.run("teams", "forget", "--league", "EPL", "Man United", expect=2)
    assert "There is no league 'EPLX'" in project.run("teams", "list", "--league", "EPLX", expect=2)


def test_games_with_two_ids_are_warned_of_suggested_linked_and_taken_back(new_project: Callable[..., Project]) -> None:
    project = new_project()
    project.run("db", "upgrade")
    header = "league,game_id,kickoff_utc,home_team,away_team,home_score,away_score"
    for name, game_id, hour in (("a.csv", "a1", 14), ("b.csv", "b1", 19)):
        line = f"EPL,{game_id},2024-04-27T{hour}:00,Arsenal,Leeds,1,0"
        (project.folder / name).write_text(f"{header}\n{line}")
    project.run("backfill", "a.csv", "b.csv")
    (found,) = project.json("games", "suggest", "--league", "EPL")["suggestions"]
    assert {found["game_id"], found["same_as"]} == {"a1", "b1"}
    (checked,) = [one for one in project.json("doctor", expect=3)["checks"] if one["name"] == "games"]
    assert (checked["state"], checked["detail"]) == ("stale", "games with two ids: EPL 1")
    assert project.json("features", "build", "--league", "EPL", "--through", "2024-04-30")["told_twice"] == {"EPL": 1}
    link = ("games", "link", "--league", "EPL", "a1", "b1")
    assert [project.json(*link)["new"] for _ in range(2)] == [True, False]
    (listed,) = project.json("games", "list")["links"]
    assert {name: listed[name] for name in ("league", "game_id", "same_as", "source", "score", "rule")} == {
        "league": "EPL", "game_id": "a1", "same_as": "b1", "source": "command line", "score": None, "rule": None
    }  # fmt: skip
    assert "No game of EPL has two ids" in project.run("games", "suggest", "--league", "EPL")
    project.run("games", "unlink", "--league", "EPL", "a1")
    assert "No games are linked" in project.run("games", "list")


def test_a_foreign_layout_is_read_through_a_mapping_file(new_project: Callable[..., Project]) -> None:
    project = new_project()
    project.run("db", "upgrade")
    (project.folder / "layout.toml").write_text(FOOTBALL_DATA)
    (project.folder / "E0.csv").write_text(FOOTBALL_DATA_CSV)
    read = project.json("backfill", "E0.csv", "--mapping", "layout.toml", "--accept-loss")
    assert (read["rows"], read["rejected"], read["leagues"]["EPL"]["quotes"]) == (4, 1, 5)
    (project.folder / "layout.toml").write_text(FOOTBALL_DATA.replace("HomeTeam", "Home Team"))
    wrong = project.run("backfill", "E0.csv", "--mapping", "layout.toml", expect=2)
    assert "layout.toml: [columns] home_team = 'Home Team'" in wrong
    assert "football-data-new" in project.run("backfill", "E0.csv", "--mapping", "footbal-data", expect=2)


def test_a_backfill_that_loses_much_fails_with_its_reasons_and_first_lines(new_project: Callable[..., Project]) -> None:
    project = new_project()
    project.run("db", "upgrade")
    (project.folder / "E0.csv").write_text(FOOTBALL_DATA_CSV)
    said = project.run("backfill", "E0.csv", "--mapping", "football-data", expect=1)
    assert "E0.csv: in quarantine are facts of 1 of 4 rows (25.0%)" in said
    assert "1 x row: game_date: expected an ISO date or time" in said
    assert "E0.csv:5: game_date: expected an ISO date or time, got '31/02/2023 (not %d/%m/%Y or %d/%m/%y)': " in said
    again = project.json("backfill", "E0.csv", "--mapping", "football-data", "--accept-loss")
    assert (again["added"], again["losses"][0]["damaged_rows"]) == (0, 1)
    assert project.json("backfill", "--mapping", "list")["mappings"].keys() >= {"football-data", "nflverse"}


def test_many_reasons_for_rejecting_are_shown_in_part_and_given_whole_as_json(
    new_project: Callable[..., Project],
) -> None:
    project = new_project()
    project.run("db", "upgrade")
    lines = [f"X{number},g{number},2024-04-27,Arsenal,Leeds,1,0" for number in range(25)]
    (project.folder / "games.csv").write_text(
        "\n".join(("league,game_id,game_date,home_team,away_team,home_score,away_score", *lines))
    )
    shown = project.run("backfill", "games.csv", "--accept-loss")
    assert (shown.count("quarantined: 1 x row: There is no league"), "and 5 more reasons" in shown) == (20, True)
    read = project.json("backfill", "games.csv", expect=1)
    assert len(read["reasons"]) == 25
    assert [(one["reason"], one["count"]) for one in read["losses"][0]["reasons"]] == [("There is no league ....", 25)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give CSV files or folders, or --source"),
        (("--league", "EPL", "--season", "2023"), "give CSV files or folders, or --source"),
        (("--source", "oddsportal", "--league", "EPL", "--season", "2023"), "unknown source 'oddsportal'"),
        (("--source", "football-data", "--league", "EPL"), "--source needs --league and --season"),
        (("games.csv", "--source", "football-data", "--league", "EPL", "--season", "2023"), "excludes files"),
    ],
)
def test_a_backfill_reads_either_files_or_a_source(arguments: tuple[str, ...], said: str, project: Project) -> None:
    shown = " ".join(project.run("backfill", *arguments, expect=2).split())
    assert said in shown


def test_a_source_that_cannot_be_reached_is_a_missing_dependency(new_project: Callable[..., Project]) -> None:
    project = new_project()
    project.run("db", "upgrade")
    silent = f"http://127.0.0.1:{free_port()}"
    asked = ("--source", "football-data", "--league", "EPL", "--season", "2023", "--address", silent)
    assert "NETWORK_ERROR" in project.run("backfill", *asked, expect=3)


def test_a_nested_answer_is_shown_whole() -> None:
    answer = {"win": 0.5, "offer": {"stake": 0.0, "value": {"low": -0.1}, "note": None}, "line": None}
    assert list(flattened(answer)) == [("win", 0.5), ("offer stake", 0.0), ("offer value low", -0.1)]


def test_every_command_has_a_file_of_its_name() -> None:
    commands = typer.main.get_group(app).commands
    files = {path.stem for path in Path(commands_package.__path__[0]).glob("*.py")} - {"__init__"}
    assert files == {*commands, "features_diff", "features_list"}

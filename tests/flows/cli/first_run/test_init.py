"""``dbsbm init``: one command from an empty folder to a forecast; a second one changes nothing, a failed one continues."""

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.database.engines import open_database
from core.settings import load_settings
from flows.cli.first_run.env_file import read_env
from tests.databases import mlflow_store
from tests.feature_store.sources.feeds.service import PlayedAnswer, Service, played_service
from tests.feature_store.sources.feeds.test_the_odds_api import MONEYLINE, ODDS, SCORES, bookmaker, event
from tests.flows.conftest import Project, running
from tests.migrations.filled import contents
from tests.services import MariaDb, RedisServer, free_port
from tests.terminal import on_terminal

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900)]

KEY = "key-that-is-printed-nowhere"
UNREACHABLE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
"""No service on the network is asked, whatever address a feed has."""


def bare_project(folder: Path) -> Project:
    """An empty folder in which only the store of models, copied for speed, has a setting."""
    project = Project(folder)
    project.settings = {
        "MLFLOW_TRACKING_URI": mlflow_store(folder / "mlflow"),
        "PREFECT_HOME": str(folder / "prefect"),
        "NO_PROXY": "127.0.0.1",
    }
    return project


def everything(project: Project, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """All that a run could change: the files' content and age, and every row of the database."""
    monkeypatch.chdir(project.folder)
    engine = open_database(load_settings(_env_file=project.folder / ".env").database)
    files = {
        name: (path.read_bytes(), path.stat().st_mtime_ns)
        for name in (".env", "feeds.toml")
        if (path := project.folder / name).exists()
    }
    bundles = sorted(str(path) for path in (project.folder / "mlruns" / "bundles").rglob("*"))
    try:
        return files, bundles, contents(engine)
    finally:
        engine.dispose()


@pytest.fixture
def service() -> Iterator[Service]:
    with played_service() as service:
        service.answers[ODDS] = PlayedAnswer([event(bookmakers=[bookmaker("bookone", MONEYLINE)])])
        service.answers[SCORES] = PlayedAnswer([])
        yield service


def test_without_any_service_one_command_leads_to_a_forecast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = bare_project(tmp_path)
    first = project.json("init", "--league", "EPL")
    assert first["changed"]
    assert [name for name, stage in first["stages"].items() if not stage["changed"]] == ["pull"]
    assert first["champions"] == ["EPL-prices", "EPL-results"]
    env = tmp_path / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    assert read_env(env)["DATABASE_URL"] == "sqlite:///mlruns/dbsbm.db"
    assert not (tmp_path / "mlruns" / "signing.key").exists(), "the key of .env signs"

    before = everything(project, monkeypatch)
    ended = project.start("init")
    assert ended.returncode == 0
    assert ended.stdout.startswith("Nothing changed: everything was set up already.\n")
    assert len(re.findall(r"^ +\d/7 ", ended.stderr, re.MULTILINE)) == 7, "one line for each stage"
    assert everything(project, monkeypatch) == before

    port = free_port()
    serve, predict = (command.split(" ", 1)[1] for command in first["next"])
    with running([*project.command, serve], project, "serve.log", PORT=str(port)):
        project.settings["SERVICE_URL"] = f"http://127.0.0.1:{port}"
        answer = wait_for_forecast(project, predict)
    assert abs(sum(answer["probabilities"][side] for side in ("home", "draw", "away")) - 1) < 1e-9


def wait_for_forecast(project: Project, command: str) -> Any:
    """The forecast that the command shows, once the server is ready."""
    for _ in range(60):
        ended = project.start(*shlex.split(command), "--json")
        if ended.returncode == 0:
            return json.loads(ended.stdout)
        time.sleep(0.5)
    raise AssertionError((project.folder / "serve.log").read_text() + ended.stderr)


def test_mariadb_redis_and_a_feed_are_set_up_and_pulled_once(
    tmp_path: Path, mariadb: MariaDb, redis_process: RedisServer, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = bare_project(tmp_path)
    mariadb.execute("CREATE OR REPLACE USER installer IDENTIFIED BY 'pass#word'")
    mariadb.execute("GRANT ALL ON `first_run`.* TO installer")
    address = mariadb.recreate("first_run").set(username="installer", password="pass#word")
    text = address.render_as_string(hide_password=False)
    (tmp_path / "feeds.toml").write_text(
        f'[the-odds-api]\nleagues = ["EPL"]\ncalls_per_day = 50\naddress = "{service.address}"\n'
    )
    by_environment = {"DATABASE_URL": text, "ODDS_API_KEY": KEY, "FEEDS_FILE": "feeds.toml"}
    project.settings |= by_environment
    arguments = ("init", "--redis", redis_process.url, "--league", "EPL")
    ended = project.start(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"pull +feed:the-odds-api: 1 games", ended.stderr)
    assert "760 games" not in ended.stderr, "only the league that was asked for"
    assert not re.search(f"{KEY}|pass#word|pass%23word", ended.stdout + ended.stderr)
    assert "  dbsbm collect\n" in ended.stdout
    written = read_env(tmp_path / ".env")
    assert written == {**by_environment, "REDIS_URL": redis_process.url, "BOT_DATABASE_URL": "",
                       "SIGNING_KEY": written["SIGNING_KEY"]}  # fmt: skip
    for name in by_environment:
        del project.settings[name]  # .env has them now

    asked, before = len(service.requests), everything(project, monkeypatch)
    again = project.json(*arguments)
    assert not again["changed"]
    assert len(service.requests) == asked
    assert everything(project, monkeypatch) == before


def test_a_stage_that_fails_names_its_remedy_and_the_next_run_continues(tmp_path: Path, mariadb: MariaDb) -> None:
    project = bare_project(tmp_path)
    mariadb.execute("DROP DATABASE IF EXISTS `not_there`")
    address = mariadb.address("not_there").render_as_string()
    failed = project.start("init", "--database", address, "--league", "EPL", "--history", "none")
    assert failed.returncode == 3
    assert re.search(r"2/7 database +failed", failed.stderr)
    continuing = "dbsbm init --league EPL --history none"
    assert continuing in failed.stderr
    assert "not_there" in failed.stderr
    key = read_env(tmp_path / ".env")["SIGNING_KEY"]
    mariadb.recreate("not_there")
    done = project.json(*continuing.split()[1:])
    assert done["stages"]["database"]["changed"]
    assert not done["stages"]["settings"]["changed"]
    assert read_env(tmp_path / ".env")["SIGNING_KEY"] == key
    assert "no finished game of EPL" in done["stages"]["train"]["text"]
    assert done["next"] == ["dbsbm backfill PATH", "dbsbm init"]


def test_on_a_terminal_it_asks_shows_no_secret_and_continues_after_a_failure(tmp_path: Path, service: Service) -> None:
    project = bare_project(tmp_path)
    project.settings |= UNREACHABLE
    with on_terminal([*project.command, "init"], project.folder, project.environment) as terminal:
        terminal.answer("Database:", "postgres://me@here/db")
        terminal.answer("Database:", "")
        terminal.answer("Redis:", "127.0.0.1")
        terminal.answer("Redis:", "redis://127.0.0.1:1/0")
        terminal.answer_unseen("Its password", "pass#word")
        terminal.answer("bot's database", "")
        terminal.answer("Leagues", "EPLL")
        terminal.answer("Leagues", "epl")
        terminal.answer("Feeds", "the-odds-api")
        terminal.answer("Calls", "0")
        terminal.answer("Calls", "60")
        terminal.answer_unseen("ODDS_API_KEY", "two words")
        terminal.answer_unseen("ODDS_API_KEY", KEY)
        terminal.answer("Finished games", "")
        assert terminal.wait() == 3
    assert "it may begin with sqlite, mysql+pymysql" in terminal.shown
    assert "unknown: 'EPLL'; nearest: EPL" in terminal.shown
    assert "3/7 history" in terminal.shown
    assert "4/7 pull       failed" in terminal.shown
    assert "which continues here" in terminal.shown
    assert KEY not in terminal.shown
    assert not re.search("two words|pass#word|pass%23word", terminal.shown)
    written = read_env(tmp_path / ".env")
    assert (written["ODDS_API_KEY"], written["REDIS_URL"]) == (KEY, "redis://:pass%23word@127.0.0.1:1/0")
    feeds = tmp_path / "feeds.toml"
    assert 'leagues = ["EPL"]\ncalls_per_day = 60\n' in feeds.read_text()

    feeds.write_text(f'{feeds.read_text()}address = "{service.address}"\n')
    (tmp_path / "mlruns" / "feeds" / "the-odds-api" / "calls.json").unlink()  # the pause after the failure
    before = (tmp_path / ".env").read_bytes()
    with on_terminal([*project.command, "init"], project.folder, project.environment) as terminal:
        assert terminal.wait() == 0, terminal.shown
    assert KEY not in terminal.shown
    assert re.search(r"feed:the-odds-api: 1 games", terminal.shown)
    assert "2 champions" in terminal.shown
    assert (tmp_path / ".env").read_bytes() == before

"""The plan of a first run: options before settings before answers, conflicts refused before anything is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigurationError, DbsbmError, ResourceNotFoundError
from core.settings import Settings, load_settings
from flows.cli.first_run.answers import DefaultAnswers
from flows.cli.first_run.env_file import add_settings, read_env
from flows.cli.first_run.plan import FirstRunOptions, FirstRunPlan, FirstRunPlanner, write_feeds

MYSQL = "mysql+pymysql://dbsbm:secret@db.example/predictions"
KEY = "key-of-the-service"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and an environment without settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_plan(environment: Mapping[str, str] | None = None, **options: Any) -> FirstRunPlan:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        return FirstRunPlanner(
            FirstRunOptions(**options), load_settings(), read_env(Path(".env")), DefaultAnswers()
        ).plan()


def test_without_options_everything_is_local_and_offline() -> None:
    plan = make_plan()
    key = plan.settings["SIGNING_KEY"]
    assert dict(plan.settings) == {
        "DATABASE_URL": "sqlite:///mlruns/dbsbm.db",
        "REDIS_URL": "",
        "BOT_DATABASE_URL": "",
        "FEEDS_FILE": "",
        "SIGNING_KEY": key,
    }
    assert len(bytes.fromhex(key)) == 32
    assert make_plan().settings["SIGNING_KEY"] != key
    assert (list(plan.leagues), plan.history.source, plan.feeds_page) == (["EPL", "LALIGA"], "sample", None)
    assert plan.command == "dbsbm init --league EPL --league LALIGA --history sample"


def test_a_plan_that_was_carried_out_leaves_nothing_to_write() -> None:
    plan = make_plan({"ODDS_API_KEY": KEY}, feeds=["the-odds-api"], leagues=["EPL"])
    write_feeds(str(plan.feeds_page))
    add_settings(Path(".env"), plan.settings)
    again = make_plan()
    assert dict(again.settings) == {}
    assert (again.feeds_page, again.leagues) == (None, ["EPL"])


def test_what_the_environment_sets_is_kept_and_answers_the_question() -> None:
    given = {"MYSQL_HOST": "db.example", "MYSQL_PASSWORD": "pass word", "REDIS_URL": "redis://cache.example/0"}
    given |= {"SIGNING_KEY": "k" * 20, "HOST": "0.0.0.0"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.cli.first_run.plan.leagues_in_use", lambda _settings: ["NFL"])
        patch.setattr("flows.cli.first_run.plan.leagues_without_results", lambda _settings, keys: keys)
        plan = make_plan(given)
    del given["HOST"]
    assert dict(plan.settings) == {**given, "BOT_DATABASE_URL": "", "FEEDS_FILE": ""}
    assert (list(plan.leagues), plan.history.source) == (["NFL"], "none")


def test_the_key_that_signed_the_bundles_of_a_development_folder_is_kept(folder: Path) -> None:
    (folder / "mlruns").mkdir()
    (folder / "mlruns" / "signing.key").write_text("a" * 64)
    assert make_plan().settings["SIGNING_KEY"] == "a" * 64


def test_feeds_are_written_for_the_leagues_they_have(folder: Path) -> None:
    plan = make_plan({"ODDS_API_KEY": KEY}, feeds=["the-odds-api"], leagues=["epl", "NFL", "UFC"], calls_per_day=40)
    assert plan.settings["FEEDS_FILE"] == "feeds.toml"
    assert plan.settings["ODDS_API_KEY"] == KEY
    assert '[the-odds-api]\nleagues = ["EPL", "NFL"]\ncalls_per_day = 40\n' in str(plan.feeds_page)
    assert KEY not in str(plan.feeds_page)
    assert KEY not in plan.command
    assert list(folder.iterdir()) == [], "a plan writes nothing"


WRONG: list[tuple[dict[str, Any], dict[str, str], type[DbsbmError], str]] = [
    ({"database": "sqlite"}, {"DATABASE_URL": MYSQL}, ConfigurationError, "DATABASE_URL has another value in .env"),
    ({"database": "sqlite"}, {"MYSQL_HOST": "db.example"}, ConfigurationError, "MYSQL_HOST has another value"),
    ({"redis": "redis://b/0"}, {"REDIS_URL": "redis://a/0"}, ConfigurationError, "Change REDIS_URL there"),
    ({"feeds": ["the-odd-api"]}, {}, ResourceNotFoundError, "nearest: the-odds-api"),
    ({"feeds": ["the-odds-api"]}, {}, ConfigurationError, "ODDS_API_KEY is not set"),
    ({"feeds": ["the-odds-api"], "leagues": ["UFC"]}, {"ODDS_API_KEY": KEY}, ConfigurationError, "none of the leagues"),
    ({"leagues": ["EPLL"]}, {}, ResourceNotFoundError, "EPL"),
    ({"history": "games"}, {}, ConfigurationError, "no file or folder games"),
    ({"history": "sample", "leagues": ["NFL"]}, {}, ConfigurationError, "EPL and LALIGA only"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "env_file", "error", "words"), WRONG)
def test_a_contradiction_is_named_before_anything_is_written(
    options: dict[str, Any], env_file: dict[str, str], error: type[DbsbmError], words: str
) -> None:
    path = Path(".env")
    path.write_text("")
    add_settings(path, env_file)
    before = path.read_bytes()
    with pytest.raises(error) as caught:
        make_plan(**options)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert path.read_bytes() == before


def test_an_option_that_says_what_is_set_already_is_no_conflict() -> None:
    add_settings(Path(".env"), {"DATABASE_URL": "sqlite:///mlruns/dbsbm.db", "REDIS_URL": "redis://a/0"})
    plan = make_plan(database="sqlite", redis="redis://a/0")
    assert plan.settings["DATABASE_URL"] == "sqlite:///mlruns/dbsbm.db"


def test_a_feeds_page_of_another_content_is_not_replaced(folder: Path) -> None:
    (folder / "feeds.toml").write_text("# mine\n")
    with pytest.raises(ConfigurationError, match=r"feeds\.toml exists"):
        make_plan({"ODDS_API_KEY": KEY}, feeds=["the-odds-api"])
    assert not write_feeds("other")
    assert (folder / "feeds.toml").read_text() == "# mine\n"

"""``dbsbm feeds``: which services are asked, within which budget, and what a look at them recorded."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.feature_store.sources.feeds.service import PlayedAnswer, Service, played_service
from tests.feature_store.sources.feeds.test_the_odds_api import MONEYLINE, ODDS, SCORES, bookmaker, event
from tests.flows.conftest import Project

KEY = "key-that-is-printed-nowhere"


@pytest.fixture
def service() -> Iterator[Service]:
    with played_service() as service:
        service.answers[ODDS] = PlayedAnswer(
            [event(bookmakers=[bookmaker("bookone", {**MONEYLINE, "last_update": "2026-01-01T12:00:00Z"})])]
        )
        service.answers[SCORES] = PlayedAnswer([])
        yield service


@pytest.fixture
def project(service: Service, new_project: Callable[..., Project]) -> Project:
    project = new_project()
    path = project.folder / "feeds.toml"
    path.write_text(f'[the-odds-api]\nleagues = ["EPL"]\ncalls_per_day = 50\naddress = "{service.address}"\n')
    project.settings |= {"FEEDS_FILE": str(path), "FEEDS_DIR": str(project.folder / "feeds"), "ODDS_API_KEY": KEY}
    project.run("db", "upgrade")
    return project


def test_a_pull_records_games_and_prices_and_says_what_it_cost(project: Project) -> None:
    (listed,) = project.json("feeds", "list")["feeds"]
    assert (listed["leagues"], listed["calls_per_look"], listed["calls_left"]) == (["EPL"], 11, 50)
    (pulled,) = project.json("feeds", "pull")["feeds"]
    assert (pulled["calls"], pulled["rejected"], pulled["recorded"]["EPL"]["quotes"]) == (11, 0, 1)
    assert project.json("feeds", "list")["feeds"][0]["calls_left"] == 39
    text = project.run("feeds", "pull", "the-odds-api") + project.run("feeds", "list")
    assert re.search(r"11 +28 +50", text)
    assert KEY not in text


def test_a_feed_that_cannot_be_asked_is_named_and_fails_the_command(project: Project, service: Service) -> None:
    service.answers[ODDS] = PlayedAnswer({"message": KEY}, 401)
    first = project.json("feeds", "pull")["feeds"][0]
    assert first["rejected"] == 2, "the refused request, and the one that was not made after it"
    shown = project.run("feeds", "pull", expect=3)
    assert "not to be asked" in shown
    assert KEY not in shown
    assert "paused until" in project.run("feeds", "list")
    del project.settings["ODDS_API_KEY"]
    assert "ODDS_API_KEY is not set" in project.run("feeds", "pull", expect=3)
    assert "ODDS_API_KEY is not set" in project.run("feeds", "list")


def test_a_check_asks_and_records_nothing(project: Project, service: Service) -> None:
    (checked,) = project.json("feeds", "check")["feeds"]
    assert (checked["calls"], checked["error"], checked["rejected"]) == (11, None, [])
    assert checked["leagues"] == [{"league": "EPL", "games": 1, "results": 0, "quotes": 1, "books": 1}]
    assert project.json("feeds", "list")["feeds"][0]["calls_left"] == 39
    assert project.json("feeds", "pull")["feeds"][0]["recorded"]["EPL"]["quotes"] == 1, (
        "a check has left it to be recorded"
    )


def test_a_check_fails_where_nothing_can_be_read_or_asked(project: Project, service: Service) -> None:
    service.answers[ODDS] = PlayedAnswer([{"surprise": True}])
    shown = project.run("feeds", "check", expect=1)
    assert "the-odds-api:" in shown
    service.answers[ODDS] = PlayedAnswer({"message": KEY}, 401)
    assert KEY not in project.run("feeds", "check", expect=1)
    del project.settings["ODDS_API_KEY"]
    assert "ODDS_API_KEY is not set" in project.run("feeds", "check", expect=3)


WRONG = {
    "[the-odd-api]\n": "[the-odd-api]: unknown feed; built in are the-odds-api",
    '[the-odds-api]\nleagues = ["EPL"]\n': "calls_per_day: Field required",
    '[the-odds-api]\nleagues = ["EPLL"]\ncalls_per_day = 5\n': "Nearest: EPL",
    '[the-odds-api]\nleagues = ["UFC"]\ncalls_per_day = 5\n': "no built-in name of UFC",
    '[the-odds-api]\nleagues = ["EPL"]\ncalls_per_day = 5\nregion = ["eu"]\n': "region: unknown key; nearest: regions",
    "[the-odds-api\n": "not TOML",
}


@pytest.mark.parametrize("content", WRONG)
def test_a_wrong_file_is_refused_with_table_and_key(content: str, tmp_path: Path, project: Project) -> None:
    path = tmp_path / "feeds.toml"
    path.write_text(content)
    project.settings["FEEDS_FILE"] = str(path)
    assert WRONG[content] in project.run("feeds", "list", expect=2)


def test_without_a_file_the_commands_say_where_feeds_are_configured(new_project: Callable[..., Project]) -> None:
    assert "FEEDS_FILE" in new_project().run("feeds", "list")

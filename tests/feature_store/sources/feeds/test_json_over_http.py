"""A service that is not built in: its games, finals and prices come in by a mapping, and what is damaged stays out."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigurationError
from feature_store.archive.facts import FactBatch, Result
from feature_store.sources.feeds.configuration import load_feeds
from feature_store.sources.feeds.feed import FeedLook
from tests.feature_store.sources.feeds.service import LEAGUES, PlayedAnswer, PlayedFeed, Service, played_service

NOW = datetime(2026, 11, 28, 20, tzinfo=UTC)
FEED = """
[club-odds]
address = "{address}"
leagues = {{NFL = "gridiron"}}
calls_per_day = 100
key_header = "x-token"

[club-odds.mapping]
path = "/v2/{{league}}/events"
parameters = {{from = "{{today}}", to = "{{week_ahead}}"}}
events = "data.events"
id = "uid"
start = "kickoff"
home_team = "teams.0.name"
away_team = "teams.1.name"
home_score = "teams.0.points"
away_score = "teams.1.points"
status = "state"
statuses = {{Upcoming = "scheduled", Running = "live", Done = "final"}}
books = "books"
book = "title"
quoted_at = "updated"
odds = "american"
spread = "handicap"
times = "epoch"

[club-odds.mapping.prices]
odds_home = "line.home"
odds_away = "line.away"
spread_line = "spread"
total_line = "total"
"""


def event(**more: Any) -> dict[str, Any]:
    return {
        "uid": 71,
        "kickoff": 1_795_986_000,
        "state": "upcoming",
        "teams": [{"name": "River City Pilots", "points": None}, {"name": "Harbour Gulls", "points": None}],
        "books": [{"title": "Alpha", "updated": 1_795_895_000, "line": {"home": -150, "away": 130}, "spread": -3.5}],
        **more,
    }


@pytest.fixture
def service() -> Iterator[Service]:
    with played_service() as service:
        yield service


def look(service: Service, folder: Path, *events: Any) -> tuple[FactBatch, FeedLook]:
    service.answers["/v2/gridiron/events"] = PlayedAnswer({"data": {"events": list(events)}})
    path = folder / "feeds.toml"
    path.write_text(FEED.format(address=service.address))
    configuration = load_feeds(path, LEAGUES)["club-odds"]
    found = PlayedFeed("club-odds", configuration, folder, "a key").look(NOW)
    return found.batches["NFL"], found


def test_games_and_american_prices_are_read_by_the_mapping(service: Service, tmp_path: Path) -> None:
    batch, found = look(service, tmp_path, event())
    (game,), (quote,) = batch.games, batch.quotes
    assert (game.game_id, game.status, game.home_team) == ("club-odds:71", "scheduled", "River City Pilots")
    assert game.start_at == datetime.fromtimestamp(1_795_986_000, UTC)
    assert (quote.book, quote.odds_home, quote.odds_away) == ("Alpha", pytest.approx(1 + 100 / 150), 2.3)
    assert (quote.spread_line, quote.quoted_at) == (3.5, datetime.fromtimestamp(1_795_895_000, UTC))
    assert found.rejected == batch.rejected == []
    path, query, headers = service.requests[0]
    assert (path, query) == ("/v2/gridiron/events", {"from": "2026-11-28", "to": "2026-12-05"})
    assert headers["x-token"] == "a key"


def test_a_final_is_a_result(service: Service, tmp_path: Path) -> None:
    teams = [{"name": "River City Pilots", "points": "24"}, {"name": "Harbour Gulls", "points": 17}]
    batch, _ = look(service, tmp_path, event(kickoff=1_795_870_000, state="DONE", teams=teams, books=None))
    start = datetime.fromtimestamp(1_795_870_000, UTC)
    assert batch.results == [Result("club-odds:71", NOW, min(start + LEAGUES.get("NFL").duration, NOW), 24, 17)]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"uid": None}, "id, start or a team is missing"),
        ({"kickoff": "tonight"}, "id, start or a team is missing"),
        ({"teams": []}, "id, start or a team is missing"),
        ({"state": "done"}, "without two whole scores"),
        ({"books": [{"title": "", "updated": 1, "line": {}}]}, "a book without a name"),
        ({"books": [{"title": "Alpha", "line": {"home": -150}}]}, "prices without a moment"),
        ({"books": [{"title": "Alpha", "updated": 1, "line": {"home": 50, "away": 130}}]}, "odds_home: 50 is no price"),
    ],
)
def test_damage_costs_what_it_stands_in_and_is_named(
    damage: dict[str, Any], reason: str, service: Service, tmp_path: Path
) -> None:
    batch, _ = look(service, tmp_path, event(**damage), event(uid="whole"))
    assert "club-odds:whole" in [game.game_id for game in batch.games]
    assert [item for item in batch.rejected if reason in item.reason]


def test_a_score_that_no_game_of_the_sport_has_is_rejected(service: Service, tmp_path: Path) -> None:
    teams = [{"name": "River City Pilots", "points": 9_999}, {"name": "Harbour Gulls", "points": 17}]
    batch, _ = look(service, tmp_path, event(kickoff=1_795_870_000, state="done", teams=teams, books=None))
    assert batch.results == []
    assert [item.reason for item in batch.rejected] == ["final 9999-17: a side has at most 225 in american_football"]


def test_an_answer_of_another_form_is_named(service: Service, tmp_path: Path) -> None:
    look(service, tmp_path)
    service.answers["/v2/gridiron/events"] = PlayedAnswer({"items": []})
    configuration = load_feeds(tmp_path / "feeds.toml", LEAGUES)["club-odds"]
    found = PlayedFeed("club-odds", configuration, tmp_path, "a key").look(NOW)
    assert "expected a list at data.events, got NoneType" in found.rejected[0].reason


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('odds = "american"', 'odds = "fractional"'),
        ('odds_home = "line.home"', 'odds_hom = "line.home"'),
        ('path = "/v2/{{league}}/events"', 'path = "/v2/{{sport}}/events"'),
        ('id = "uid"', ""),
        ('address = "{address}"', ""),
    ],
)
def test_a_wrong_mapping_is_refused(wrong: str, message: str, tmp_path: Path) -> None:
    assert wrong in FEED
    path = tmp_path / "feeds.toml"
    path.write_text(FEED.replace(wrong, message).format(address="http://127.0.0.1:1"))
    with pytest.raises(ConfigurationError, match=r"\[club-odds\]"):
        load_feeds(path, LEAGUES)

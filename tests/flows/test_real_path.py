"""The real path on MariaDB and Redis: the bot's database in, a served and logged forecast out, by commands only."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from core.database.engines import open_database
from serving.predictions.tables import SERVED
from tests.bot_database import create_bot_tables, insert, soccer
from tests.feature_store.sources.feeds.service import PlayedAnswer, played_service
from tests.feature_store.sources.feeds.test_the_odds_api import ODDS, SCORES, bookmaker, event, market, outcome
from tests.flows.conftest import Project, running
from tests.services import MariaDb, RedisServer, free_port


@pytest.fixture(scope="module")
def line(
    new_project: Callable[..., Project], mariadb: MariaDb, redis_process: RedisServer, archive_file: Path
) -> Project:
    """A project on MariaDB and Redis with a champion, and a bot database with one game to come."""
    ours, bot = mariadb.recreate("real_path"), mariadb.recreate("real_bot")
    engine = open_database(bot)
    create_bot_tables(engine)
    # The commands below read the machine's clock, so this game lies ahead of it.
    start = datetime.now(UTC) + timedelta(days=1)
    insert(
        engine,
        "api_games",
        **soccer(
            "990001",
            home_team_name="Arsenal",
            away_team_name="Everton",
            start_time=start.replace(tzinfo=None, microsecond=0),
            fetched_at=datetime.now(UTC).replace(tzinfo=None, microsecond=0),
            status="Not Started",
            score=None,
            raw_json="{}",
        ),
    )
    engine.dispose()
    project = new_project(
        spawned=True,
        DATABASE_URL=ours.render_as_string(hide_password=False),
        BOT_DATABASE_URL=bot.render_as_string(hide_password=False),
        REDIS_URL=redis_process.url,
        DBSBM_ENV="production",
        SIGNING_KEY="a key that all machines share",
    )
    project.run("db", "upgrade")
    assert project.json("backfill", str(archive_file))["rejected"] == 0
    project.run("train", "--league", "EPL")
    project.run("promote", "EPL-results")
    return project


def test_the_bots_next_game_and_then_a_feeds_are_forecast_served_and_logged(
    line: Project, mariadb: MariaDb, tmp_path: Path
) -> None:
    first = line.json("snapshot")
    assert first["leagues"]["EPL"]["games"] == 1
    assert line.json("snapshot")["leagues"]["EPL"]["games"] == 0
    assert line.json("features", "build")["leagues"][0]["upcoming"] == 1
    warmed = line.json("flows", "run", "score-upcoming")
    assert (warmed["games"], warmed["scored"], warmed["written"]) == (1, 1, 1)
    key = line.json("keys", "create", "the bot")["key"]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running([*line.command, "serve", "--port", str(port)], line, "serve.log"):
        _wait_until_ready(url)
        line.settings |= {"SERVICE_URL": url}
        assert "X-API-Key" in line.run("predict", "Arsenal", "Everton", expect=2)
        line.settings |= {"API_KEY": key}
        answer = line.json("predict", "Arsenal", "Everton")
        assert answer["game"]["game_id"] == "990001"
        assert answer["model"]["name"] == "EPL-results"
        assert answer["market"] is None
        assert abs(sum(answer["probabilities"][side] for side in ("home", "draw", "away")) - 1) < 1e-9
        assert answer["cache"] in ("local", "redis")
        bet = line.json("price", "Arsenal", "Everton", "--market", "total", "--selection", "over", "--line", "2.5")
        assert 0 < bet["win"] < 1
        unscheduled = line.json("predict", "Chelsea", "Liverpool", "--league", "EPL")
        assert unscheduled["game"]["home_team"] == "Chelsea"
        assert "Nearest" in line.run("predict", "Chelsee", "Liverpool", "--league", "EPL", expect=2)
    logged = _logged(mariadb)
    assert [row["game_id"] for row in logged] == ["990001"]
    assert key not in (line.folder / "serve.log").read_text()
    _collect_from_a_feed_and_serve(line, tmp_path)


def _collect_from_a_feed_and_serve(line: Project, tmp_path: Path) -> None:
    """From The Odds API's answer to an HTTP answer, by one command besides the server."""
    start = datetime.now(UTC) + timedelta(days=2)
    prices = market("h2h", outcome("Chelsea", 1.95), outcome("Fulham", 4.1), outcome("Draw", 3.6), at=_iso(-1))
    game = event(
        id="chefu", commence_time=start.isoformat(), home_team="Chelsea", away_team="Fulham",
        bookmakers=[bookmaker("bookone", prices)],
    )  # fmt: skip
    with played_service() as service:
        service.answers = {ODDS: PlayedAnswer([game]), SCORES: PlayedAnswer([])}
        path = tmp_path / "feeds.toml"
        path.write_text(f'[the-odds-api]\nleagues = ["EPL"]\ncalls_per_day = 50\naddress = "{service.address}"\n')
        feeds = {"FEEDS_FILE": str(path), "FEEDS_DIR": str(tmp_path / "feeds"), "ODDS_API_KEY": "a-key"}
        line.settings |= feeds
        bot = line.settings.pop("BOT_DATABASE_URL")
        line.run("train", "--league", "EPL", "--recipe", "prices")
        line.run("promote", "EPL-prices")
        assert line.json("collect", "--once")["sources"] == ["the-odds-api"]
    for name in feeds:
        del line.settings[name]
    line.settings["BOT_DATABASE_URL"] = bot
    port = free_port()
    line.settings |= {"SERVICE_URL": f"http://127.0.0.1:{port}", "API_KEY": line.json("keys", "create", "bot 2")["key"]}
    with running([*line.command, "serve", "--port", str(port)], line, "serve2.log"):
        _wait_until_ready(line.settings["SERVICE_URL"])
        answer = line.json("predict", "Chelsea", "Fulham")
    assert answer["game"]["game_id"] == "the-odds-api:chefu"
    assert answer["model"]["name"] == "EPL-prices"
    implied = (1 / 1.95, 1 / 3.6, 1 / 4.1)
    assert answer["market"]["home"] == pytest.approx(implied[0] / sum(implied))
    assert answer["cache"] in ("local", "redis")


def _iso(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, "the service was not ready within a minute"
        time.sleep(0.2)


def _logged(mariadb: MariaDb) -> list[dict[str, object]]:
    engine = open_database(mariadb.address("real_path"))
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(SERVED).mappings()]
    engine.dispose()
    return rows

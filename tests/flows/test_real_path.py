"""The real path on MariaDB and Redis: the bot's database in, a served and logged forecast out, by commands only."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from core.database import open_database
from serving.predictions.tables import SERVED
from tests.bot_database import create_bot_tables, insert, soccer
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


def test_the_bots_next_game_is_forecast_served_cached_and_logged(line: Project, mariadb: MariaDb) -> None:
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

"""One line about every request: which level and which generation answered, also of many answers, also of refusals."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from serving.predictions.body_source import BodySource
from serving.server import running_server
from serving.telemetry.access_log import AccessLog, AccessLogEntry
from tests.serving.conftest import World
from tests.serving.models import EPL, deploy
from tests.serving.service import MovingClock, Running, eventually, settings_for, started

GAME = "/v1/predictions/soccer/EPL/EPL-102"
REFUSED = (
    (b"nonsense\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: us\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost:", 408),
)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[AccessLogEntry]:
    """What is written, as it is written."""
    written: list[AccessLogEntry] = []
    monkeypatch.setattr(AccessLog, "add", lambda _log, line: written.append(line))
    return written


def told(lines: list[AccessLogEntry]) -> tuple[str | None, int | None]:
    return lines[-1]["cache"], lines[-1]["generation"]


def test_the_generation_is_the_one_that_answered(
    world: World, lines: list[AccessLogEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def out_of_patience(*_arguments: object) -> None:
        return None

    with started(settings_for(world.engine, world.store)) as running:
        eventually(lambda: bool(running.get(GAME)) and told(lines) == ("local", 2))
        deploy(world.engine, world.store, EPL, number=2, home_lean=0.9)
        eventually(lambda: running.service.champions.generation("EPL-results") == 4)
        with monkeypatch.context() as patch:
            patch.setattr(BodySource, "get", out_of_patience)
            assert running.get(GAME).json()["model"]["version"] == 1
        assert told(lines) == ("stale", 2)
        assert running.get(GAME).json()["model"]["version"] == 2
        assert told(lines)[1] == 4


def test_of_many_answers_the_worst_level_and_the_generation_they_share(
    service: Running, lines: list[AccessLogEntry]
) -> None:
    def batch(*games: str) -> tuple[str | None, int | None]:
        asked = [{"sport": "soccer", "league": "EPL", "game_id": game} for game in games]
        assert service.post("/v1/predictions/batch", json={"games": asked}).status_code == 200
        return told(lines)

    eventually(lambda: batch("EPL-102", "EPL-103") == ("local", 2))
    assert batch("nobody") == (None, None)
    service.get("/v1/ranking?date=2024-05-02")
    assert told(lines) == ("local", 2)


def test_a_mixture_of_generations_is_none(world: World, lines: list[AccessLogEntry]) -> None:
    deploy(world.engine, world.store, EPL, "prices")
    deploy(world.engine, world.store, EPL, number=2, home_lean=0.9)
    games = [{"sport": "soccer", "league": "EPL", "game_id": game} for game in ("EPL-101", "EPL-102")]
    with started(settings_for(world.engine, world.store)) as running:
        eventually(lambda: len(running.service.champions.loaded) == 2)
        assert running.post("/v1/predictions/batch", json={"games": games}).status_code == 200
    assert lines[-1]["generation"] is None
    assert lines[-1]["cache"] is not None


def test_what_the_server_itself_refuses_is_counted_and_logged(world: World, lines: list[AccessLogEntry]) -> None:
    with running_server(settings_for(world.engine, world.store), MovingClock()) as url:
        place = urlsplit(url)
        for sent, status in REFUSED:
            with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
                connection.sendall(sent)
                said = connection.makefile("rb").read()
            assert said.startswith(b"HTTP/1.1 %d" % status)
            line = lines[-1]
            assert (line["status"], line["method"], line["route"]) == (status, "OTHER", "(none)")
            assert line["request_id"].encode() in said
        counted = httpx.get(f"{url}/metrics").text
    for _, status in REFUSED:
        assert f'dbsbm_requests_total{{method="OTHER",route="(none)",status="{status}"}} 1.0' in counted

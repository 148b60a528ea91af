"""The access log: cache level and generation of every request, batches and refusals included."""

import asyncio
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
    """The lines of the access log, as they are added."""
    written: list[AccessLogEntry] = []
    monkeypatch.setattr(AccessLog, "add", lambda _log, line: written.append(line))
    return written


def level_and_generation(lines: list[AccessLogEntry]) -> tuple[str | None, int | None]:
    return lines[-1]["cache"], lines[-1]["generation"]


def test_the_generation_is_the_one_that_answered(
    world: World, lines: list[AccessLogEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_source: object, _plan: object) -> asyncio.Future[object]:
        return asyncio.get_running_loop().create_future()

    with started(settings_for(world.engine, world.store)) as running:
        eventually(lambda: bool(running.get(GAME)) and level_and_generation(lines) == ("local", 2))
        deploy(world.engine, world.store, EPL, number=2, home_lean=0.9)
        eventually(lambda: running.service.champions.generation("EPL-results") == 4)
        with monkeypatch.context() as patch:
            patch.setattr(BodySource, "request", never)
            assert running.get(GAME).json()["model"]["version"] == 1
        assert level_and_generation(lines) == ("stale", 2)
        assert running.get(GAME).json()["model"]["version"] == 2
        assert level_and_generation(lines)[1] == 4


def test_a_batch_logs_its_worst_level_and_common_generation(service: Running, lines: list[AccessLogEntry]) -> None:
    def batch(*games: str) -> tuple[str | None, int | None]:
        asked = [{"sport": "soccer", "league": "EPL", "game_id": game} for game in games]
        assert service.post("/v1/predictions/batch", json={"games": asked}).status_code == 200
        return level_and_generation(lines)

    eventually(lambda: batch("EPL-102", "EPL-103") == ("local", 2))
    assert batch("unknown") == (None, None)
    service.get("/v1/ranking?date=2024-05-02")
    assert level_and_generation(lines) == ("local", 2)


def test_different_generations_are_logged_as_none(world: World, lines: list[AccessLogEntry]) -> None:
    deploy(world.engine, world.store, EPL, "prices")
    deploy(world.engine, world.store, EPL, number=2, home_lean=0.9)
    games = [{"sport": "soccer", "league": "EPL", "game_id": game} for game in ("EPL-101", "EPL-102")]
    with started(settings_for(world.engine, world.store)) as running:
        eventually(lambda: len(running.service.champions.loaded) == 2)
        assert running.post("/v1/predictions/batch", json={"games": games}).status_code == 200
    assert lines[-1]["generation"] is None
    assert lines[-1]["cache"] is not None


@pytest.mark.slow
def test_requests_refused_by_the_server_are_counted_and_logged(world: World, lines: list[AccessLogEntry]) -> None:
    with running_server(settings_for(world.engine, world.store), MovingClock()) as url:
        place = urlsplit(url)
        for sent, status in REFUSED:
            with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
                connection.sendall(sent)
                response = connection.makefile("rb").read()
            assert response.startswith(b"HTTP/1.1 %d" % status)
            line = lines[-1]
            assert (line["status"], line["method"], line["route"]) == (status, "OTHER", "(none)")
            assert line["request_id"].encode() in response
        counted = httpx.get(f"{url}/metrics").text
    for _, status in REFUSED:
        assert f'dbsbm_requests_total{{method="OTHER",route="(none)",status="{status}"}} 1.0' in counted

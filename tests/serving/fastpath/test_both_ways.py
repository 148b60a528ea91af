"""FAST_PATH=false changes no byte of any response, and an unexpected error leaves the connection usable either way."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from core.logs import configure_logs
from serving.champions.champion import Champion
from serving.runtime.load_shedding import LoadShedding
from serving.server import running_server
from tests.serving.conftest import World, logging_restored
from tests.serving.guarded import make_key, production_settings
from tests.serving.service import MovingClock, eventually

GAME = "/v1/predictions/soccer/EPL/EPL-102"
BATCH = "/v1/predictions/batch"
CHANGING = re.compile(rb"^(date|ratelimit-remaining|ratelimit-reset): [^\r]*", re.MULTILINE)


@dataclass
class Pair:
    """The same service with and without the fast path."""

    with_fast_path: str
    without: str
    key: str

    def exchange(self, sent: bytes) -> list[bytes]:
        """Return both responses to these bytes, without what changes with time."""
        return [CHANGING.sub(rb"\1", exchange(url, sent)) for url in (self.with_fast_path, self.without)]

    def head(self, path: str = GAME, *lines: str, method: str = "GET") -> bytes:
        fixed = (f"{method} {path} HTTP/1.1", "Host: us", "X-Request-ID: the-same", "Connection: close")
        return "\r\n".join((*fixed, f"X-API-Key: {self.key}", *lines, "", "")).encode()


def exchange(url: str, sent: bytes) -> bytes:
    """Return what arrives until the server closes the connection."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(sent)
        with connection.makefile("rb") as file:
            return file.read()


@pytest.fixture(scope="module")
def pair(shared_world: World) -> Iterator[Pair]:
    key = make_key(shared_world.engine, "predict", guild_id=None)
    settings = production_settings(shared_world)
    off = settings.model_copy(update={"fast_path": False})
    with (
        logging_restored(),
        pytest.MonkeyPatch.context() as patch,
        running_server(settings, MovingClock()) as fast,
        running_server(off, MovingClock()) as slow,
    ):
        configure_logs(settings)
        patch.setattr(LoadShedding, "observe", lambda _load, _lateness: None)  # a busy machine must not shed requests
        pair = Pair(fast, slow, key)
        for url in (fast, slow):
            eventually(lambda url=url: b'"cache":"local"' in exchange(url, pair.head()))  # type: ignore[misc]
            eventually(lambda url=url: b'"reasons":null' not in exchange(url, pair.head()))  # type: ignore[misc]
        yield pair


def body(*games: str) -> bytes:
    items = ",".join(f'{{"sport":"soccer","league":"EPL","game_id":"{game}"}}' for game in games)
    return f'{{"games":[{items}]}}'.encode()


def test_every_response_is_the_same_bytes_with_and_without_the_fast_path(pair: Pair) -> None:
    batch = body("EPL-101", "EPL-102", "none")
    announced = ("Content-Type: application/json", f"Content-Length: {len(batch)}")
    requests = {
        "hit": pair.head(),
        "recompute": pair.head(GAME, "Cache-Control: no-cache"),
        "not modified": pair.head(GAME, "If-None-Match: *"),
        "unknown game": pair.head("/v1/predictions/soccer/EPL/none"),
        "unknown league": pair.head("/v1/predictions/soccer/ELP/EPL-102"),
        "query": pair.head(f"{GAME}?a=b"),
        "other method": pair.head(GAME, method="DELETE"),
        "wrong key": pair.head().replace(pair.key.encode(), b"wrong.key"),
        "no key": pair.head().replace(b"X-API-Key", b"X-Other"),
        "guild": pair.head(GAME, "X-Guild-ID: none"),
        "batch": pair.head(BATCH, *announced, method="POST") + batch,
        "invalid batch": pair.head(BATCH, *announced, method="POST") + batch.replace(b'"', b"'"),
        "no such route": pair.head("/v1/nothing"),
    }
    for name, sent in requests.items():
        fast, slow = pair.exchange(sent)
        assert fast.startswith(b"HTTP/1.1 "), name
        assert fast == slow, name


def test_a_request_that_the_server_rejects_is_counted_either_way(pair: Pair) -> None:
    for url in (pair.with_fast_path, pair.without):

        def refused(url: str = url) -> float:
            sample = re.search(r'dbsbm_requests_total.*none.*status="400"\} (\S+)', httpx.get(f"{url}/metrics").text)
            return 0.0 if sample is None else float(sample[1])

        before = refused()
        assert exchange(url, b"NONSENSE\r\n\r\n").startswith(b"HTTP/1.1 400")
        assert refused() == before + 1


def test_an_unexpected_error_is_a_problem_document_on_a_connection_that_stays_usable(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> None:
        raise ZeroDivisionError

    for url in (pair.with_fast_path, pair.without):
        # Unless logs are configured, structlog renders a traceback with all locals, for seconds.
        with httpx.Client(base_url=url, headers={"X-API-Key": pair.key}, timeout=60) as client:
            with monkeypatch.context() as patch:
                patch.setattr(Champion, "forecasts", broken)
                response = client.get(GAME, headers={"Cache-Control": "no-cache"})
            assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
            assert response.json()["code"] == "INTERNAL_ERROR"
            assert response.headers.get("connection", "keep-alive") != "close"
            assert client.get(GAME, headers={"Cache-Control": "no-cache"}).status_code == 200
            assert len(client._transport._pool.connections) == 1  # type: ignore[attr-defined]

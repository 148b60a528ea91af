"""Hits answered in the protocol have the same bytes as those of the app, and are counted alike."""

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy.engine import Engine
from starlette.types import Scope

from serving.access.api_keys import revoke_key
from serving.fastpath.hits import HitPath, PlainHead
from serving.server import running_server
from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.guarded import make_key, production_settings
from tests.serving.service import MovingClock, eventually

GAME = "/v1/predictions/soccer/EPL/EPL-102"
CHANGING = re.compile(rb"^(date|ratelimit-remaining|ratelimit-reset): [^\r]*", re.MULTILINE)
GUILD = 77


@dataclass
class RawServer:
    """A server, its keys, and whether the hit path answered each request."""

    url: str
    key: str
    of_guild: str
    engine: Engine
    hits: list[bool] = field(default_factory=list)
    is_off: bool = False

    def ask(self, sent: bytes, answers: int = 1) -> bytes:
        """Return the responses on a new connection, without what changes with time."""
        place = urlsplit(self.url)
        with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
            connection.sendall(sent)
            with connection.makefile("rb") as file:
                return b"".join(CHANGING.sub(rb"\1", _answer(file)) for _ in range(answers))

    def head(self, path: str = GAME, *lines: str, method: str = "GET", key: str | None = None) -> bytes:
        sent = (f"{method} {path} HTTP/1.1", "Host: us", f"X-API-Key: {key or self.key}", "X-Request-ID: the-same")
        return "\r\n".join((*sent, *lines, "", "")).encode()


def _answer(file) -> bytes:  # type: ignore[no-untyped-def]
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline()
        if not line:
            return head
        head += line
    length = re.search(rb"content-length: (\d+)", head)
    return head + (file.read(int(length[1])) if length and b" 304 " not in head else b"")


@pytest.fixture
def raw(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    key, of_guild = (make_key(world.engine, "predict", guild_id=guild_id) for guild_id in (None, GUILD))
    with running_server(production_settings(world), MovingClock()) as url:
        raw = RawServer(url, key, of_guild, world.engine)
        respond = HitPath.respond

        def recording(self: HitPath, *request: object) -> bytes | None:
            response = None if raw.is_off else respond(self, *request)  # type: ignore[arg-type]
            raw.hits.append(response is not None)
            return response

        eventually(lambda: raw.ask(raw.head()).startswith(b"HTTP/1.1 200"))
        eventually(lambda: b'"reasons":null' not in raw.ask(raw.head()))
        raw.ask(raw.head())
        monkeypatch.setattr(HitPath, "respond", recording)
        yield raw


def both(raw: RawServer, sent: bytes, answers: int = 1) -> bytes:
    """The response, which is the same with and without the hit path."""
    first = raw.ask(sent, answers)
    raw.is_off = True
    second = raw.ask(sent, answers)
    raw.is_off = False
    assert first == second
    return first


def test_hits_take_the_hit_path_and_are_the_same_bytes(raw: RawServer) -> None:
    etag = re.search(rb"etag: ([^\r]+)", raw.ask(raw.head()))
    assert etag is not None
    for sent in (
        raw.head(),
        raw.head(GAME, f"X-Guild-ID: {GUILD}"),
        raw.head(key=raw.of_guild),
        raw.head(GAME, f"X-Guild-ID: {GUILD}", key=raw.of_guild),
        raw.head(GAME, f"If-None-Match: {etag[1].decode()}"),
        raw.head(GAME, 'If-None-Match: W/"other"'),
    ):
        raw.hits.clear()
        both(raw, sent)
        assert raw.hits == [True, False]


def test_requests_that_are_not_plain_cached_or_admitted_go_through_the_app(raw: RawServer) -> None:
    for sent in (
        raw.head(key="unknown.key"),
        raw.head(GAME, f"X-Guild-ID: {GUILD + 1}", key=raw.of_guild),
        raw.head(GAME, "X-Guild-ID: none"),
        raw.head(GAME, "Cache-Control: no-cache"),
        raw.head(GAME, "Host: them"),
        raw.head(GAME + "?a=b"),
        raw.head(GAME + "#there"),
        raw.head("/v1/predictions/soccer/EPL/EPL%2D102"),
        raw.head("/v1/predictions/soccer/EPL/none"),
        raw.head(GAME, method="DELETE"),
        raw.head(GAME, "Content-Length: 3") + b"abc",
        raw.head(GAME, "Connection: close"),
        raw.head(GAME).replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        raw.hits.clear()
        both(raw, sent)
        assert not any(raw.hits), sent


def test_pipelined_requests_are_answered_in_order(raw: RawServer) -> None:
    hit, miss = raw.head(), raw.head("/v1/predictions/soccer/EPL/none")
    responses = both(raw, hit + miss + hit + hit + miss, answers=5)
    assert re.findall(rb"HTTP/1.1 (\d+)", responses) == [b"200", b"404", b"200", b"200", b"404"]


def test_a_head_that_came_before_is_not_read_again_and_answered_alike(
    raw: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[bytes | None] = []
    read = HitPath.read

    def noted(self: HitPath, scope: Scope) -> PlainHead | None:
        reads.append(scope["path"])
        return read(self, scope)

    monkeypatch.setattr(HitPath, "read", noted)
    sent = raw.head().replace(b"X-Request-ID: the-same\r\n", b"")
    first = re.sub(rb"x-request-id: \w+", b"", raw.ask(sent))
    assert [re.sub(rb"x-request-id: \w+", b"", raw.ask(sent)) for _ in range(3)] == [first] * 3
    assert reads == [GAME]
    assert raw.ask(sent * 2, answers=2).count(b"HTTP/1.1 200") == 2, "two heads in one piece are not one head"
    assert reads == [GAME] * 3
    raw.ask(sent[:40] + sent[40:].replace(b"Host: us", b"Host: we"))
    assert reads == [GAME] * 4
    revoke_key(raw.engine, raw.key.partition(".")[0], NOW)
    eventually(lambda: raw.ask(sent).startswith(b"HTTP/1.1 401"))


def test_a_remembered_head_after_the_beginning_of_another_is_part_of_that(raw: RawServer) -> None:
    sent = raw.head().replace(b"X-Request-ID: the-same\r\n", b"")
    raw.ask(sent)
    place = urlsplit(raw.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/predictions/batch HTTP/1.1\r\nHost: us\r\nContent-Length: %d\r\n\r\n" % len(sent))
        time.sleep(0.1)
        connection.sendall(sent)
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


def test_a_head_in_pieces_is_answered(raw: RawServer) -> None:
    place = urlsplit(raw.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        for start in range(0, len(raw.head()), 30):
            connection.sendall(raw.head()[start : start + 30])
            time.sleep(0.01)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_the_limit_is_one_for_both_ways(world: World) -> None:
    key = make_key(world.engine, "predict")
    with running_server(production_settings(world, key_rate_limit=12), MovingClock()) as url:
        raw = RawServer(url, key, "", world.engine)
        statuses = [raw.ask(raw.head())[9:12] for _ in range(30)]
    assert b"429" in statuses
    assert statuses.count(b"200") <= 24  # a minute of the clock may turn


def test_hits_are_counted(raw: RawServer) -> None:
    def counted() -> tuple[float, float]:
        text = httpx.get(f"{raw.url}/metrics").text
        of_route = r"dbsbm_requests_total.*game_id.*status=\"200\"\} (\S+)"
        requests, hits = (
            re.search(pattern, text) for pattern in (of_route, r'dbsbm_predictions_total\{level="local"\} (\S+)')
        )
        assert requests
        assert hits
        return float(requests[1]), float(hits[1])

    before = counted()
    for _ in range(7):
        raw.ask(raw.head())
    assert tuple(now - then for now, then in zip(counted(), before, strict=True)) == (7, 7)
    assert raw.hits[-7:] == [True] * 7

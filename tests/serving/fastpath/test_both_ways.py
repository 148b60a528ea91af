"""FAST_PATH=false changes no byte of any response, and an unexpected error leaves the connection usable either way."""

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from serving.champions.champion import Champion
from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.pair import GAME, Pair, exchange, running_pair
from tests.serving.service import MovingClock, eventually

BATCH = "/v1/predictions/batch"


@pytest.fixture(scope="module")
def pair(shared_world: World) -> Iterator[Pair]:
    with running_pair(shared_world) as pair:
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


def test_prices_that_become_too_old_have_another_tag_either_way(shared_world: World) -> None:
    """By their age alone, without anything new in the database."""
    clock, priced = MovingClock(), "/v1/predictions/soccer/EPL/EPL-101"
    with running_pair(shared_world, clock) as pair:
        tags = []
        for minutes in (0, 15, 56):
            clock.moment = NOW + timedelta(minutes=minutes)
            sent = pair.head(priced)
            eventually(lambda sent=sent: not any(b'"reasons":null' in one for one in pair.exchange(sent)))  # type: ignore[misc]
            fast, slow = pair.exchange(sent)
            assert fast == slow
            assert (b'"books":2' in fast) == (minutes < 56)
            both = [exchange(url, sent) for url in (pair.with_fast_path, pair.without)]
            (tag,) = {re.search(rb"(?i)^etag: (.*)\r", one, re.MULTILINE)[1] for one in both}  # type: ignore[index]
            tags.append(tag)
            held = pair.exchange(pair.head(priced, f"If-None-Match: {tag.decode()}"))
            assert [one.split(b" ")[1] for one in held] == [b"304", b"304"]
    assert tags[0] == tags[1] != tags[2]


def test_a_repeated_header_means_the_same_with_and_without_the_fast_path(pair: Pair) -> None:
    batch = body("EPL-101")
    announced = ("Content-Type: application/json", f"Content-Length: {len(batch)}")
    requests = {
        "no-cache first": pair.head(GAME, "Cache-Control: no-cache", "Cache-Control: max-age=0"),
        "no-cache last": pair.head(GAME, "Cache-Control: max-age=0", "Cache-Control: no-cache"),
        "no-cache in a list": pair.head(GAME, "Cache-Control: max-age=0, No-Cache"),
        "other directives": pair.head(GAME, "Cache-Control: x-no-cache", "Cache-Control: max-age=0"),
        "two tags": pair.head(GAME, 'If-None-Match: "x"', "If-None-Match: *"),
        "two guilds": pair.head(GAME, "X-Guild-ID: 1", "X-Guild-ID: none"),
        "two keys": pair.head(GAME, "X-API-Key: wrong.key"),
        "two ids": pair.head(GAME, "X-Request-ID: other"),
        "two hosts": pair.head(GAME, "Host: other"),
        "two types": pair.head(BATCH, *announced, "Content-Type: text/plain", method="POST") + batch,
    }
    levels = {}
    for name, sent in requests.items():
        fast, slow = pair.exchange(sent)
        assert fast == slow, name
        levels[name] = re.findall(rb'"cache":"(\w+)"', fast)
    recomputed = [name for name, level in levels.items() if level == [b"computed"]]
    assert recomputed == ["no-cache first", "no-cache last", "no-cache in a list"]
    assert levels["other directives"] == [b"local"]


def test_a_request_that_the_server_rejects_is_counted_either_way(pair: Pair) -> None:
    for url in (pair.with_fast_path, pair.without):

        def refused(url: str = url) -> float:
            text = httpx.get(f"{url}/metrics").text
            return sum(map(float, re.findall(r'dbsbm_requests_total.*none.*status="400"\} (\S+)', text)))

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

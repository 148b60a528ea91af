"""Hits answered by the server itself read as those that went through the app, and count as much."""

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy.engine import Engine
from starlette.types import Scope

from serving.access.api_keys import revoke_key
from serving.champions.champion import Champion
from serving.fastpath.hit_path import Asked, Lane
from serving.server import running_server
from serving.service import Service
from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.guarded import make_key, production_settings
from tests.serving.service import MovingClock, eventually

GAME = "/v1/predictions/soccer/EPL/EPL-102"
CHANGING = re.compile(rb"^(date|ratelimit-remaining|ratelimit-reset): [^\r]*", re.MULTILINE)
GUILD = 77


@dataclass
class Street:
    """A server, the keys to it, and what its lane said to each question."""

    url: str
    key: str
    of_guild: str
    engine: Engine
    said: list[bool] = field(default_factory=list)
    closed: bool = False

    def ask(self, sent: bytes, answers: int = 1) -> bytes:
        """What comes back on a fresh connection, but for what changes with time."""
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
def street(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    key, of_guild = (make_key(world.engine, "predict", guild_id=guild_id) for guild_id in (None, GUILD))
    with running_server(production_settings(world), MovingClock()) as url:
        street = Street(url, key, of_guild, world.engine)
        answer = Lane.answer

        def noted(self: Lane, *question: object) -> bytes | None:
            said = None if street.closed else answer(self, *question)  # type: ignore[arg-type]
            street.said.append(said is not None)
            return said

        eventually(lambda: street.ask(street.head()).startswith(b"HTTP/1.1 200"))
        eventually(lambda: b'"reasons":null' not in street.ask(street.head()))
        street.ask(street.head())
        monkeypatch.setattr(Lane, "answer", noted)
        yield street


def both(street: Street, sent: bytes, answers: int = 1) -> bytes:
    """The answer, having seen that it is the same with and without the lane."""
    first = street.ask(sent, answers)
    street.closed = True
    second = street.ask(sent, answers)
    street.closed = False
    assert first == second
    return first


def test_hits_take_the_lane_and_read_the_same(street: Street) -> None:
    etag = re.search(rb"etag: ([^\r]+)", street.ask(street.head()))
    assert etag is not None
    for sent in (
        street.head(),
        street.head(GAME, f"X-Guild-ID: {GUILD}"),
        street.head(key=street.of_guild),
        street.head(GAME, f"X-Guild-ID: {GUILD}", key=street.of_guild),
        street.head(GAME, f"If-None-Match: {etag[1].decode()}"),
        street.head(GAME, 'If-None-Match: W/"other"'),
        street.head(GAME, "Cache-Control: no-cache"),
    ):
        street.said.clear()
        both(street, sent)
        assert street.said == [True, False]


def test_what_is_not_plain_ready_or_allowed_goes_the_usual_way(street: Street) -> None:
    for sent in (
        street.head(key="nobody.nothing"),
        street.head(GAME, f"X-Guild-ID: {GUILD + 1}", key=street.of_guild),
        street.head(GAME, "X-Guild-ID: none"),
        street.head(GAME, "Host: them"),
        street.head(GAME + "?a=b"),
        street.head(GAME + "#there"),
        street.head("/v1/predictions/soccer/EPL/EPL%2D102"),
        street.head("/v1/predictions/soccer/EPL/none"),
        street.head(GAME, method="DELETE"),
        street.head(GAME, "Content-Length: 3") + b"abc",
        street.head(GAME, "Connection: close"),
        street.head(GAME).replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        street.said.clear()
        both(street, sent)
        assert not any(street.said), sent


def test_pipelined_questions_are_answered_in_order(street: Street) -> None:
    hit, miss = street.head(), street.head("/v1/predictions/soccer/EPL/none")
    said = both(street, hit + miss + hit + hit + miss, answers=5)
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"404", b"200", b"200", b"404"]


def test_a_head_that_came_before_is_not_read_again_and_answered_alike(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[bytes | None] = []
    read = Lane.read

    def noted(self: Lane, scope: Scope) -> Asked | None:
        reads.append(scope["path"])
        return read(self, scope)

    monkeypatch.setattr(Lane, "read", noted)
    sent = street.head().replace(b"X-Request-ID: the-same\r\n", b"")
    first = re.sub(rb"x-request-id: \w+", b"", street.ask(sent))
    assert [re.sub(rb"x-request-id: \w+", b"", street.ask(sent)) for _ in range(3)] == [first] * 3
    assert reads == [GAME]
    assert street.ask(sent * 2, answers=2).count(b"HTTP/1.1 200") == 2, "two heads in one piece are not one head"
    assert reads == [GAME] * 3
    street.ask(sent[:40] + sent[40:].replace(b"Host: us", b"Host: we"))
    assert reads == [GAME] * 4
    revoke_key(street.engine, street.key.partition(".")[0], NOW)
    eventually(lambda: street.ask(sent).startswith(b"HTTP/1.1 401"))


def test_a_remembered_head_after_the_beginning_of_another_is_part_of_that(street: Street) -> None:
    sent = street.head().replace(b"X-Request-ID: the-same\r\n", b"")
    street.ask(sent)
    place = urlsplit(street.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/predictions/batch HTTP/1.1\r\nHost: us\r\nContent-Length: %d\r\n\r\n" % len(sent))
        time.sleep(0.1)
        connection.sendall(sent)
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


def test_a_head_in_pieces_is_answered(street: Street) -> None:
    place = urlsplit(street.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        for start in range(0, len(street.head()), 30):
            connection.sendall(street.head()[start : start + 30])
            time.sleep(0.01)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


AFRESH = "Cache-Control: no-cache"
REQUEST_ID = re.compile(rb"x-request-id: \w+|\"age_s\":[\d.]+")


class SlowTurns:
    """Makes the lane's turns last: what is computed together waits, and is computed when told or after a moment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.3) -> None:
        self.at_once = False
        self.sizes: list[int] = []
        honest = Lane.compute

        def compute(lane: Lane, service: Service) -> None:
            self.sizes.append(len(lane._waiting))
            honest(lane, service)

        def slow(lane: Lane, service: Service) -> None:
            if self.at_once:
                compute(lane, service)
            else:
                asyncio.get_running_loop().call_later(seconds, compute, lane, service)

        monkeypatch.setattr(Lane, "compute", slow)


def afresh(street: Street, *lines: str) -> bytes:
    """A head that the lane remembers, of a question that must be computed."""
    sent = street.head(GAME, *lines, AFRESH).replace(b"X-Request-ID: the-same\r\n", b"")
    street.ask(sent)
    return sent


def plain(answer: bytes) -> bytes:
    return REQUEST_ID.sub(b"", answer)


def test_what_is_computed_together_reads_as_if_computed_alone(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = afresh(street)
    others = [sent.replace(b"EPL-102", b"EPL-%d" % number) for number in (101, 103)]
    for other in others:
        street.ask(other)
    alone = {head: plain(street.ask(head.replace(b"Host", b"host"))) for head in (sent, *others)}
    turns = SlowTurns(monkeypatch)
    asked = [sent, *others, sent, sent, *others]
    with ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(street.ask, asked))
    assert [plain(answer) for answer in together] == [alone[head] for head in asked]
    assert sum(turns.sizes) == len(asked)
    assert max(turns.sizes) > 3
    assert b'"cache":"computed"' in together[0]


def test_what_comes_while_an_answer_is_computed_waits_for_its_turn(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, place = afresh(street), urlsplit(street.url)
    SlowTurns(monkeypatch)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(sent)
        time.sleep(0.1)
        connection.sendall(street.head() + street.head("/v1/predictions/soccer/EPL/none"))
        connection.sendall(sent[:30])
        time.sleep(0.05)
        connection.sendall(sent[30:])
        with connection.makefile("rb") as file:
            said = [_answer(file) for _ in range(4)]
    assert [answer[9:12] for answer in said] == [b"200", b"200", b"404", b"200"]
    levels = [re.search(rb'"cache":"(\w+)"', answer) for answer in said]
    assert [level and level[1] for level in levels] == [b"computed", b"local", None, b"computed"]


def test_who_goes_away_disturbs_nobody_that_waits_with_him(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, place = afresh(street), urlsplit(street.url)
    SlowTurns(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        gone = socket.create_connection((place.hostname, place.port), timeout=10)
        gone.sendall(sent)
        stays = pool.submit(street.ask, sent)
        time.sleep(0.1)
        gone.close()
        assert stays.result().startswith(b"HTTP/1.1 200")


def test_an_answer_under_way_is_given_before_the_server_stops(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(world.engine, "predict")
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        street = Street(
            stack.enter_context(running_server(production_settings(world), MovingClock())), key, "", world.engine
        )
        eventually(lambda: street.ask(street.head()).startswith(b"HTTP/1.1 200"))
        sent = afresh(street)
        turns = SlowTurns(monkeypatch, seconds=60)
        answer = pool.submit(street.ask, sent)
        time.sleep(0.3)
        turns.at_once = True
        stack.close()
        assert answer.result().startswith(b"HTTP/1.1 200")


def test_an_error_that_nobody_foresaw_is_answered_to_each(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = afresh(street)

    def broken(*_given: object) -> None:
        raise ZeroDivisionError

    SlowTurns(monkeypatch)
    monkeypatch.setattr(Champion, "forecasts", broken)
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(street.ask, [sent] * 3))
    assert [answer[9:12] for answer in answers] == [b"500"] * 3
    monkeypatch.undo()
    assert street.ask(street.head()).startswith(b"HTTP/1.1 200")


def test_the_limit_is_one_for_both_ways(world: World) -> None:
    key = make_key(world.engine, "predict")
    with running_server(production_settings(world, key_rate_limit=12), MovingClock()) as url:
        street = Street(url, key, "", world.engine)
        statuses = [street.ask(street.head())[9:12] for _ in range(30)]
    assert b"429" in statuses
    assert statuses.count(b"200") <= 24  # a minute of the clock may turn


def test_hits_are_counted(street: Street) -> None:
    def counted() -> tuple[float, float]:
        text = httpx.get(f"{street.url}/metrics").text
        of_route = r"dbsbm_requests_total.*game_id.*status=\"200\"\} (\S+)"
        requests, hits = (
            re.search(pattern, text) for pattern in (of_route, r'dbsbm_predictions_total\{level="local"\} (\S+)')
        )
        assert requests
        assert hits
        return float(requests[1]), float(hits[1])

    before = counted()
    for _ in range(7):
        street.ask(street.head())
    assert tuple(now - then for now, then in zip(counted(), before, strict=True)) == (7, 7)
    assert street.said[-7:] == [True] * 7

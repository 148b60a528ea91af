"""The ASGI shortcut and the routes behind it give the same responses, to the byte."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from typing import Any

import httpx
import pytest

from serving.fastpath import asgi_shortcut
from serving.fastpath.asgi_shortcut import AsgiShortcut
from serving.http.middleware import BodyLimit
from tests.conftest import NOW
from tests.serving.service import Running, eventually

GAME = "/v1/predictions/soccer/EPL/EPL-102"
BATCH = "/v1/predictions/batch"
JSON = {"content-type": "application/json"}

PATHS = (
    GAME,
    "/v1/predictions/soccer/EPL/EPL-101",
    "/v1/predictions/Football/premier%20league/EPL-102",
    "/v1/predictions/soccer/EPL/EPL/104",
    "/v1/predictions/soccer/EPL/EPL%2F104",
    "/v1/predictions/american_football/NFL/NFL-102",
    "/v1/predictions/soccer/EPL/nonsense",
    "/v1/predictions/soccer/EPL/",
    "/v1/predictions/soccer/EPL",
    "/v1/predictions/soccer//EPL-102",
    "/v1/predictions/soccer/ELP/EPL-102",
    "/v1/predictions/tennis/EPL/EPL-102",
    f"/v1/predictions/{'s' * 33}/EPL/EPL-102",
    f"/v1/predictions/soccer/{'E' * 121}/EPL-102",
    f"/v1/predictions/soccer/EPL/{'1' * 121}",
    "/v1/predictions/soccer/EPL/%00",
    "/v1/predictions/soccer/EPL/%F0%9F%8F%88",
    "/v1/predictions/soccer/LALIGA/1",
    f"{GAME}?unknown=1",
    BATCH,
)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"If-None-Match": 'W/"other"'},
    {"If-None-Match": "x" * 1001},
    {"If-None-Match": "*"},
    {"Cache-Control": "no-cache"},
    {"Cache-Control": "max-age=0"},
    {"Origin": "https://evil.example"},
    {"X-API-Key": "whatever"},
    {"Accept": "text/html"},
)
BODIES = (
    b'{"games":[{"sport":"soccer","league":"EPL","game_id":"EPL-102"}]}',
    b'{"games":[{"sport":"soccer","league":"EPL","game_id":"EPL-102"},{"sport":"soccer","league":"EPL","game_id":"no"}]}',
    b'{"games":[{"sport":"soccer","league":"EPL","game_id":7}]}',
    b' { "games" : [ {"sport":"Soccer","league":"premier league","game_id":"EPL-101"} ] } ',
    b'{"games":[{"sport":"soccer","league":"EPL","game_id":"1","admin":true}]}',
    b'{"games":[{"sport":"soccer","league":"EPL","game_id":null}]}',
    b'{"games":[{"sport":"' + b"s" * 33 + b'","league":"EPL","game_id":"1"}]}',
    b'{"games":[]}',
    b'{"games":[{"sport":"soccer","league":"EPL","game_id":NaN}]}',
    b'{"games":[{"sport":"soccer","league":"EPL","game_id":1e400}]}',
    b'{"games":[' + b"9" * 5_000 + b"]}",
    b'{"games":[{"sport":"\xff","league":"EPL","game_id":"1"}]}',
    b'{"games":[{"sport":"soccer","league":"EPL","game_id":"1","x\\ny":1}],"":2,"a.b":{"c":3}}',
    b'{"games":[1,null,"x",[],{}]}',
    b'{"games":{"0":1}}',
    b"{" + b",".join(b'"%d":1' % number for number in range(300)) + b"}",
    b'{"games":[{"sport":"soccer","league":"EPL","game_id":"EPL-101\\n"}]}',
    b'{"games":[{"sport":"soccer","league":"EPL","game_id":"\\ud800"}],"\\ud800":1}',
    b"null",
    b"[]",
    b"{",
    b"",
)


@pytest.fixture
def routes_only(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Within its context the shortcut passes everything on."""

    async def pass_on(self: AsgiShortcut, scope: object, receive: object, send: object) -> None:
        await self._app(scope, receive, send)  # type: ignore[arg-type]

    monkeypatch.setattr(AsgiShortcut, "_passing", pass_on, raising=False)
    return monkeypatch


def both(running: Running, patched: pytest.MonkeyPatch, method: str, path: str, **options: object) -> None:
    """Ask the shortcut, then the routes alone, with the same request id; compare every byte."""
    options["headers"] = {"X-Request-ID": "the-same", **options.get("headers", {})}  # type: ignore[dict-item]
    by_shortcut = running.request(method, path, **options)
    with patched.context() as patch:
        patch.setattr(AsgiShortcut, "__call__", AsgiShortcut._passing)  # type: ignore[attr-defined]
        by_route = running.request(method, path, **options)
    assert shown(by_shortcut) == shown(by_route)


def shown(answer: httpx.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return answer.status_code, answer.headers.raw, answer.content


@pytest.mark.parametrize(("path", "headers"), list(product(PATHS, HEADERS)))
def test_one_game(service: Running, routes_only: pytest.MonkeyPatch, path: str, headers: dict[str, str]) -> None:
    service.get(path)
    both(service, routes_only, "GET", path, headers=headers)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", [GAME, BATCH])
def test_other_methods(service: Running, routes_only: pytest.MonkeyPatch, method: str, path: str) -> None:
    both(service, routes_only, method, path)


@pytest.mark.parametrize(("content", "kind"), list(product(BODIES, [JSON, {}, {"content-type": "text/plain"}])))
def test_many_games(service: Running, routes_only: pytest.MonkeyPatch, content: bytes, kind: dict[str, str]) -> None:
    service.post(BATCH, content=content, headers=kind)
    both(service, routes_only, "POST", BATCH, content=content, headers=kind)


def test_not_modified(service: Running, routes_only: pytest.MonkeyPatch) -> None:
    etag = service.get(GAME).headers["etag"]
    for tag in (etag, f'W/"other", {etag}'):
        both(service, routes_only, "GET", GAME, headers={"If-None-Match": tag})
        assert service.get(GAME, headers={"If-None-Match": tag}).status_code == 304


def test_old_data(service: Running, routes_only: pytest.MonkeyPatch) -> None:
    service.service.clock.moment = NOW + timedelta(hours=25, milliseconds=1.5)  # type: ignore[attr-defined]
    try:
        service.get(GAME)
        both(service, routes_only, "GET", GAME)
        assert service.get(GAME).json()["stale"] is True
    finally:
        service.service.clock.moment = NOW  # type: ignore[attr-defined]


def test_both_are_counted_and_logged_the_same(service: Running, routes_only: pytest.MonkeyPatch) -> None:
    def counted() -> tuple[float, float, int]:
        labels = {"route": asgi_shortcut.ONE_ROUTE, "method": "GET", "status": "200"}
        written = eventually(lambda: service.service.log.depth == 0)
        assert written >= 0
        return (
            service.metric("dbsbm_requests_total", **labels),
            service.metric("dbsbm_predictions_total", level="local"),
            service.metric("dbsbm_request_seconds_count", route=asgi_shortcut.ONE_ROUTE),
        )

    before = counted()
    service.get(GAME)
    between = counted()
    with routes_only.context() as patch:
        patch.setattr(AsgiShortcut, "__call__", AsgiShortcut._passing)  # type: ignore[attr-defined]
        service.get(GAME)
    after = counted()
    assert [new - old for new, old in zip(between, before, strict=True)] == [1, 1, 1]
    assert [new - old for new, old in zip(after, between, strict=True)] == [1, 1, 1]


def test_a_plain_request_never_reaches_the_framework(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the tests above would compare the routes with themselves."""
    reached = []

    async def framework(_self: BodyLimit, scope: Any, _receive: object, send: Any) -> None:
        reached.append(scope["path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    monkeypatch.setattr(BodyLimit, "__call__", framework)
    for path in PATHS[:6]:
        assert service.get(path).status_code == 200
    assert service.get(GAME, headers={"Cache-Control": "no-cache"}).json()["cache"] == "computed"
    assert service.post(BATCH, content=BODIES[1], headers=JSON).status_code == 200
    assert service.get(PATHS[6]).status_code == 404
    assert reached == []
    for path in (f"{GAME}?unknown=1", "/v1/predictions/soccer/EPL", f"/v1/predictions/{'s' * 33}/EPL/EPL-102"):
        assert service.get(path).status_code == 204
    assert service.post(BATCH, content=b"{", headers=JSON).status_code == 204, "refused by the route"
    assert len(reached) == 4


def test_load_that_rises_while_a_batch_arrives_is_a_problem(service: Running) -> None:
    load = service.service.load
    shed = service.metric("dbsbm_shed_total", kind="batch")

    async def arriving() -> AsyncIterator[bytes]:
        yield BODIES[0][:20]
        load.level = 2
        yield BODIES[0][20:]

    try:
        length = {**JSON, "content-length": str(len(BODIES[0])), "X-Request-ID": "late"}
        answer = service.post(BATCH, content=arriving(), headers=length)
    finally:
        load.level = 0
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (answer.json()["code"], answer.json()["request_id"]) == ("SERVICE_ERROR", "late")
    assert int(answer.headers["retry-after"]) > 0
    assert service.metric("dbsbm_shed_total", kind="batch") == shed + 1

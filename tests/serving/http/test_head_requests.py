"""HEAD is answered wherever GET is, with the same status and headers and without a body."""

import http.client
from urllib.parse import urlsplit

import pytest

from core.clock import FixedClock
from serving.server import running_server
from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.service import Running, settings_for

CHANGING = {"x-request-id", "date", "ratelimit-remaining"}
GAME = "/v1/predictions/soccer/EPL/EPL-102"


def paths(service: Running) -> list[str]:
    """Every path that GET answers, with parameters filled in."""
    described = service.app.openapi()["paths"]
    filled = {
        "{sport}": "soccer",
        "{league}": "EPL",
        "{game_id}": "EPL-102",
        "{model}": "EPL-results",
        "{version}": "1",
    }
    found = [path for path, methods in described.items() if "get" in methods]
    for name, value in filled.items():
        found = [path.replace(name, value) for path in found]
    return [*found, "/docs", "/docs.css", "/openapi.json", "/nowhere"]


def test_head_gives_what_get_gives(service: Running) -> None:
    for path in paths(service):
        got, head = service.get(path), service.request("HEAD", path)
        assert head.status_code == got.status_code, path
        assert head.content == b"", path
        assert {*head.headers} - CHANGING == {*got.headers} - CHANGING, path
        assert head.headers.get("etag") == got.headers.get("etag")


def test_head_where_only_post_answers_is_refused(service: Running) -> None:
    assert service.request("HEAD", "/v1/parlays").status_code == service.get("/v1/parlays").status_code == 405


def test_a_head_request_is_logged_and_counted_under_its_route(service: Running) -> None:
    labels = {"method": "HEAD", "route": "/v1/predictions/{sport}/{league}/{game_id}", "status": "200"}
    before = service.metric("dbsbm_requests_total", **labels)
    service.request("HEAD", GAME)
    assert service.metric("dbsbm_requests_total", **labels) == before + 1


@pytest.mark.parametrize("fast_path", [True, False])
def test_a_connection_stays_usable_after_head(shared_world: World, fast_path: bool) -> None:
    settings = settings_for(shared_world.engine, shared_world.store, fast_path=fast_path)
    with running_server(settings, FixedClock(NOW)) as address:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        for method in ("GET", "HEAD", "GET", "HEAD", "HEAD", "GET"):
            connection.request(method, GAME)
            answer = connection.getresponse()
            body, length = answer.read(), int(answer.headers["content-length"])
            assert answer.status == 200
            assert answer.headers["etag"]
            assert (len(body), length > 0) == (length if method == "GET" else 0, True)
        connection.close()

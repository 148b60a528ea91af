"""What every response has in common: ids, problems, limits, metrics, CORS."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine, make_url

from core import errors
from core.errors import DbsbmError
from serving.app import create_app
from serving.games.staleness import DataTooOldError, StalenessPolicy
from serving.http.problems import PROBLEM_KINDS, problem_kind, problem_of
from serving.runtime.load_shedding import LoadShedding
from serving.telemetry.metrics import Metrics
from tests.conftest import NOW
from tests.serving.service import Running, settings_for, started

GAME = "/v1/predictions/soccer/EPL/EPL-102"
BOT_PAGE = Path(__file__).parents[3] / "docs" / "bot.md"


def test_a_sane_request_id_is_kept_and_any_other_replaced(service: Running) -> None:
    assert service.get(GAME, headers={"X-Request-ID": "abc-123"}).headers["x-request-id"] == "abc-123"
    for odd in ("a b", "x" * 65, "line\tbreak", "<script>"):
        given = service.get(GAME, headers={"X-Request-ID": odd}).headers["x-request-id"]
        assert given != odd
        assert len(given) == 32
    problem = service.get("/v1/nothing", headers={"X-Request-ID": "abc-123"})
    assert problem.json()["request_id"] == problem.headers["x-request-id"] == "abc-123"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("DELETE", GAME, 405),
        ("GET", "/v1/games/", 404),
        ("POST", "/v1/games", 405),
        ("GET", "/v1/games?limit=0", 422),
    ],
)
def test_every_refusal_is_a_problem(service: Running, method: str, path: str, status: int) -> None:
    answer = service.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "code", "detail", "request_id"} <= answer.json().keys()


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        (b"{", 422, "body"),
        (b"[]", 422, "body"),
        (b'{"games":[{"sport":"soccer","league":"EPL"}]}', 422, "games.0.game_id"),
        (b'{"games":[{"sport":"soccer","league":"EPL","game_id":null}]}', 422, "games.0.game_id"),
        (b'{"games":[{"sport":"soccer","league":"EPL","game_id":"1","admin":true}]}', 422, "games.0.admin"),
        (b'{"games":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, None),
        (b'{"games":[' + b"9" * 5_000 + b"]}", 400, None),
    ],
)
def test_malformed_body_is_refused_and_the_field_named(
    service: Running, content: bytes, status: int, field: str | None
) -> None:
    answer = service.post("/v1/predictions/batch", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json().get("field")) == (status, field)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("path", "least"), [("/v1/predictions/batch", 65_000), ("/invocations?model=EPL-results", 1_040_000)]
)
def test_a_body_may_be_as_large_as_its_limit_and_no_larger(service: Running, path: str, least: int) -> None:
    kind = {"content-type": "application/json"}
    assert service.post(path, content=b" " * least, headers=kind).status_code == 422
    assert service.post(path, content=b" " * (least + 10_000), headers=kind).status_code == 413


def test_a_body_without_end_is_refused(service: Running) -> None:
    async def endless() -> object:
        for _ in range(20):
            yield b" " * 100_000

    kind = {"content-type": "application/json"}
    announced = service.post("/v1/predictions/batch", content=b" " * 1_100_000, headers=kind)
    assert (announced.status_code, announced.json()["status"]) == (413, 413)
    assert service.post("/v1/predictions/batch", content=endless(), headers=kind).status_code == 413


def test_unexpected_error_is_a_500_without_its_text(service: Running) -> None:
    @service.app.get("/broken", include_in_schema=False)
    async def broken() -> None:
        raise RuntimeError("the secret is hunter2")

    answer = service.get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "hunter2" not in answer.text


def test_every_error_of_the_project_has_a_status() -> None:
    def below(kind: type[DbsbmError]) -> set[type[DbsbmError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    raised = [kind for kind in below(DbsbmError) if kind not in (DbsbmError, errors.DependencyError)]
    assert {kind.code for kind in PROBLEM_KINDS} == {kind.code for kind in raised}
    assert len({kind.code for kind in raised} - {DataTooOldError.code}) == 15
    for kind in raised:
        error = kind("what", retry_after=1) if kind is errors.RateLimitError else kind("what")
        assert 400 <= problem_kind(error).status < 600


def test_a_drivers_message_is_in_the_log_only() -> None:
    shown = problem_of(errors.DatabaseError("The database at mysql://root@10.0.0.1 failed."), "id")
    assert "10.0.0.1" not in json.dumps(shown)


def test_degraded_answers_are_those_of_the_bots_page() -> None:
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", BOT_PAGE.read_text(), re.DOTALL)]
    problems = {block["detail"]: block for block in examples if "status" in block}
    staleness, load = StalenessPolicy(timedelta(hours=24)), LoadShedding(Metrics())
    staleness.database_unavailable, load.level = True, 3
    for raising in (lambda: staleness.check(NOW - timedelta(hours=26), NOW), lambda: load.check("batch")):
        with pytest.raises(DbsbmError) as refused:
            raising()
        shown = problem_of(refused.value, "0f3a7c5e9b1d4f6a8c2e0b4d6f8a1c3e")
        assert problems.pop(shown["detail"]) == shown
    assert problems == {}


def test_requests_are_counted_by_route_template(service: Running) -> None:
    labels = {"route": "/v1/predictions/{sport}/{league}/{game_id}", "method": "GET", "status": "404"}
    before = service.metric("dbsbm_requests_total", **labels)
    service.get(GAME)
    service.get("/v1/predictions/soccer/EPL/no-such-1")
    service.get("/v1/predictions/soccer/EPL/no-such-2")
    assert service.metric("dbsbm_requests_total", **labels) == before + 2
    text = service.get("/metrics").text
    assert "no-such-1" not in text
    for series in (
        "dbsbm_request_seconds_bucket",
        'dbsbm_predictions_total{level="local"}',
        "dbsbm_redis_breaker 0.0",
        'dbsbm_champion_generation{model="EPL-prices"} 2.0',
        "dbsbm_slate_age_seconds",
        "dbsbm_prediction_log_depth",
        "dbsbm_prediction_log_dropped_total 0.0",
    ):
        assert series in text


def test_only_listed_origins_may_call_from_a_browser(sqlite_database: Engine, tmp_path: Path, service: Running) -> None:
    origin = {"Origin": "https://board.example"}
    assert "access-control-allow-origin" not in service.get("/healthz", headers=origin).headers
    settings = settings_for(sqlite_database, tmp_path, cors_origins=("https://board.example",))
    with started(settings) as running:
        allowed = running.get("/healthz", headers=origin).headers
        assert allowed["access-control-allow-origin"] == "https://board.example"
        foreign = running.get("/healthz", headers={"Origin": "https://evil.example"}).headers
        assert "access-control-allow-origin" not in foreign
        shown = {name.strip() for name in allowed["access-control-expose-headers"].lower().split(",")}
        assert shown >= {"etag", "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
        for header in ("x-api-key", "x-guild-id", "cache-control", "if-none-match", "content-type", "x-request-id"):
            wish = {**origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": header}
            assert running.request("OPTIONS", GAME, headers=wish).status_code == 200, header
        wish["Access-Control-Request-Headers"] = "authorization"
        assert running.request("OPTIONS", GAME, headers=wish).status_code == 400


@pytest.mark.parametrize(
    "wrong", ["redis.example:6379", "http://redis", "redis://h?socket_timeout=soon", "redis://h?sockets=3"]
)
def test_wrong_redis_address_is_named_before_anything_starts(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="REDIS_URL") as refused:
        create_app(settings_for(make_url("sqlite:///d.db"), tmp_path, redis_url=wrong))
    assert wrong not in str(refused.value)


def test_the_reference_page_works_under_the_path_prefix_of_a_proxy(service: Running) -> None:
    """Its links are relative: from /odds/docs they lead to /odds/docs.css and /odds/openapi.json."""
    page = service.get("/docs")
    assert page.status_code == 200, page.text
    links = re.findall(r'(?:href|src)="([^"]*)"', page.text)
    assert set(links) >= {"docs.css", "openapi.json"}
    assert [link for link in links if link.startswith("/") or "://" in link] == []

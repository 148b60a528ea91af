"""Admission as callers see it: limits by key and guild, wrong keys, client addresses, allowed hosts."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.transactions import writing
from core.errors import ConfigurationError
from feature_store.sources.bot.people import tables
from feature_store.sources.bot.people.guild_settings import api_rate_limits
from serving.access.admission import FAILURES_PER_MINUTE
from serving.access.api_keys import SCOPES
from serving.access.client_address import TrustedProxies
from serving.api.guarded_route import REQUIRED_SCOPES
from serving.http.headers import ON_EVERY_RESPONSE
from tests.conftest import NOW
from tests.serving.conftest import World, filled_world
from tests.serving.guarded import make_key, production_settings
from tests.serving.models import DAY
from tests.serving.open_routes import OPEN_ROUTES
from tests.serving.service import Running, eventually, settings_for, started

GAMES = "/v1/games"
LIMIT, GUILD_LIMIT = 40, 12
GENEROUS, THRIFTY, SILENT, CLOSED = 5, 6, 7, 8


def set_guilds(engine: Engine) -> None:
    """Guilds with their own limit, without one, and with a changed one."""
    about = {"ml_features_enabled": True, "analytics_enabled": False, "subscription_level": None}
    limits = [(GENEROUS, NOW, 30), (THRIFTY, NOW - DAY, 30), (THRIFTY, NOW, 3), (SILENT, NOW, None), (CLOSED, NOW, -1)]
    rows = [{"guild_id": guild, "known_at": at, "api_rate_limit": limit, **about} for guild, at, limit in limits]
    with writing(engine) as connection:
        connection.execute(sa.insert(tables.guilds), rows)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with filled_world(tmp_path_factory.mktemp("limited")) as world:
        set_guilds(world.engine)
        yield world


@pytest.fixture(scope="module")
def keys(guarded: World) -> dict[str, str]:
    """A key per scope, one with all scopes, one of a guild."""
    made = {scope: make_key(guarded.engine, scope) for scope in SCOPES}
    made["all"] = make_key(guarded.engine, *SCOPES)
    return {**made, "guild": make_key(guarded.engine, *SCOPES, guild_id=GENEROUS)}


@pytest.fixture
def limited(guarded: World, keys: dict[str, str]) -> Iterator[Running]:
    """A service with low limits; each test has its own minute."""
    limits = {"key_rate_limit": LIMIT, "guild_rate_limit": GUILD_LIMIT, "allowed_hosts": ("service", "*.ours.example")}
    settings = production_settings(guarded, trusted_proxies=("127.0.0.1",), **limits)
    with started(settings) as running:
        running.service.admission._limiter._timer = lambda: 60_000.0
        yield running


@pytest.fixture(scope="module")
def generous(guarded: World, keys: dict[str, str]) -> Iterator[Running]:
    with started(production_settings(guarded)) as running:
        yield running


def statuses(running: Running, times: int, **headers: str) -> list[int]:
    return [running.get(GAMES, headers=headers).status_code for _ in range(times)]


def test_a_key_is_limited_and_sees_what_remains(limited: Running, keys: dict[str, str]) -> None:
    answers = [limited.get(GAMES, headers={"X-API-Key": keys["predict"]}) for _ in range(LIMIT + 3)]
    assert [answer.status_code for answer in answers] == [200] * LIMIT + [429] * 3
    left = [int(answer.headers["ratelimit-remaining"]) for answer in answers]
    assert left == [*range(LIMIT - 1, -1, -1), 0, 0, 0]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {str(LIMIT)}
    refused = answers[-1]
    assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"] == "60"
    assert refused.json()["code"] == "RATE_LIMIT_ERROR"
    assert limited.metric("dbsbm_rate_limited_total", limit="key") == 3
    assert statuses(limited, 1, **{"X-API-Key": keys["all"]}) == [200]


def test_being_refused_counts_too(limited: Running, keys: dict[str, str]) -> None:
    assert statuses(limited, LIMIT + 1, **{"X-API-Key": keys["admin"]}) == [403] * LIMIT + [429]


@pytest.mark.parametrize(
    ("guild", "limit"), [(GENEROUS, 30), (THRIFTY, 3), (SILENT, GUILD_LIMIT), (CLOSED, 0), (99, 12)]
)
def test_a_guild_is_limited_by_its_own_setting(limited: Running, keys: dict[str, str], guild: int, limit: int) -> None:
    named = {"X-API-Key": keys["predict"], "X-Guild-ID": str(guild)}
    assert statuses(limited, limit + 1, **named) == [200] * limit + [429]
    assert statuses(limited, 1, **{"X-API-Key": keys["predict"]}) == [200]


@pytest.mark.parametrize("named", ["", "0", "-5", "five", "9" * 19, "9" * 4_000, "5 ", "5.0", "²"])
def test_an_invalid_guild_is_refused_by_name(generous: Running, keys: dict[str, str], named: str) -> None:
    answer = generous.get(GAMES, headers={"X-API-Key": keys["predict"], "X-Guild-ID": named.encode()})  # type: ignore[dict-item]
    assert (answer.status_code, answer.json()["field"]) == (422, "X-Guild-ID")


def test_limits_of_guilds_are_those_last_known(guarded: World) -> None:
    assert api_rate_limits(guarded.engine) == {GENEROUS: 30, THRIFTY: 3, CLOSED: 0}


def test_wrong_keys_are_limited_and_good_ones_admitted(limited: Running, keys: dict[str, str]) -> None:
    wrong = {"X-API-Key": "abc.def"}
    assert statuses(limited, FAILURES_PER_MINUTE + 2, **wrong) == [401] * FAILURES_PER_MINUTE + [429] * 2
    assert statuses(limited, 1) == [401]
    assert statuses(limited, 1, **{"X-API-Key": keys["predict"]}) == [200]
    assert limited.metric("dbsbm_rate_limited_total", limit="failed") == 2


def test_an_address_that_a_client_writes_itself_does_not_help(limited: Running) -> None:
    def attempt(number: int, told_by_proxy: str) -> int:
        forwarded = {"X-API-Key": "abc.def", "X-Forwarded-For": f"203.0.113.{number}, {told_by_proxy}"}
        return limited.get(GAMES, headers=forwarded).status_code

    assert [attempt(n, "198.51.100.1") for n in range(22)] == [401] * 20 + [429] * 2
    assert attempt(1, "198.51.100.2") == 401


def address(trusted: tuple[str, ...], peer: str | None, *forwarded: str) -> str:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return TrustedProxies(trusted).client({"client": None if peer is None else (peer, 1), "headers": headers})


def test_only_trusted_proxies_are_trusted() -> None:
    assert address((), "9.9.9.9", "1.1.1.1") == "9.9.9.9"
    assert address(("127.0.0.1",), "9.9.9.9", "1.1.1.1") == "9.9.9.9"
    assert address(("127.0.0.1",), "127.0.0.1", "6.6.6.6, 1.1.1.1") == "1.1.1.1"
    assert address(("127.0.0.1", "10.0.0.0/8"), "127.0.0.1", "6.6.6.6, 1.1.1.1, 10.1.2.3") == "1.1.1.1"
    assert address(("127.0.0.1",), "127.0.0.1", "6.6.6.6", "1.1.1.1") == "1.1.1.1"
    assert address(("127.0.0.1",), "127.0.0.1", "1.1.1.1, nonsense") == "127.0.0.1"
    assert address(("127.0.0.1",), "127.0.0.1") == "127.0.0.1"
    assert address(("127.0.0.1",), "::ffff:127.0.0.1", "1.1.1.1") == "1.1.1.1"
    assert address((), "2001:db8::1") == address((), "2001:db8::ffff") == "2001:db8::/64"
    assert address((), None, "1.1.1.1") == "local"


@pytest.mark.parametrize(
    ("written", "client"),
    [
        ("1.1.1.1:50614", "1.1.1.1"),
        ("[2001:db8::7]:50614", "2001:db8::/64"),
        ("[2001:db8::7]", "2001:db8::/64"),
        ("2001:db8::7", "2001:db8::/64"),
        ("[::ffff:1.1.1.1]:443", "1.1.1.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("6.6.6.6:1, 1.1.1.1:2, 127.0.0.1:3", "1.1.1.1"),
        ("unknown", "127.0.0.1"),
        ("1.1.1.1:", "127.0.0.1"),
        ("1.1.1.1:123456", "127.0.0.1"),
        ("[1.1.1.1", "127.0.0.1"),
        ("[[::1]]:1", "127.0.0.1"),
        ("host:80", "127.0.0.1"),
    ],
)
def test_a_hop_may_be_written_with_its_port_and_in_brackets(written: str, client: str) -> None:
    assert address(("127.0.0.1",), "127.0.0.1", written) == client


def test_a_proxy_that_is_no_address_is_named_at_the_start(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigurationError, match="TRUSTED_PROXIES"):
        TrustedProxies(("nginx",))


@pytest.mark.parametrize(
    ("host", "status"),
    [("service", 200), ("SERVICE:8000", 200), ("a.ours.example", 200), ("evil.example", 400), ("ours.example", 400)],
)
def test_other_hosts_are_refused(limited: Running, host: str, status: int) -> None:
    answer = limited.get("/healthz", headers={"Host": host})
    assert answer.status_code == status
    assert ("x-request-id" in answer.headers, answer.headers["x-frame-options"]) == (True, "DENY")


def test_two_hosts_in_one_request_are_refused(generous: Running) -> None:
    assert generous.get("/healthz", headers=[("Host", "a"), ("Host", "b")]).status_code == 400


def test_every_response_has_the_security_headers(generous: Running, keys: dict[str, str]) -> None:
    good = {"X-API-Key": keys["predict"]}
    requests = [
        ("/healthz", {}),
        ("/docs", {}),
        ("/nothing", {}),
        (GAMES, {}),
        (GAMES, good),
        (f"{GAMES}?limit=0", good),
    ]
    for path, headers in [*requests, ("/v1/predictions/soccer/EPL/EPL-102", good)]:
        answer = generous.get(path, headers=headers)
        for name, value in ON_EVERY_RESPONSE:
            assert answer.headers.get_list(name.decode()) == [value.decode()], path


def test_every_route_refuses_every_scope_but_its_own(generous: Running, keys: dict[str, str]) -> None:
    def status(method: str, path: str, key: str | None) -> int:
        filled = path
        for name in ("sport", "league", "game_id", "model", "version"):
            filled = filled.replace(f"{{{name}}}", "1")
        return generous.request(method, filled, headers={} if key is None else {"X-API-Key": key}).status_code

    for path, operations in generous.app.openapi()["paths"].items():
        if path in OPEN_ROUTES:
            continue
        for method in operations:
            refused = {scope for scope in SCOPES if status(method, path, keys[scope]) == 403}
            assert refused == set(SCOPES) - {REQUIRED_SCOPES[path]}, path
            assert status(method, path, keys["all"]) not in (401, 403, 429), path


def test_a_key_of_one_guild_is_not_valid_for_another(generous: Running, keys: dict[str, str]) -> None:
    """On every route; no route has a guild in its path yet, and ``GuardedRoute`` would check it."""
    for path, operations in generous.app.openapi()["paths"].items():
        if path in OPEN_ROUTES:
            continue
        for method in operations:
            filled = path.replace("{guild_id}", str(THRIFTY))
            foreign = generous.request(method, filled, headers={"X-API-Key": keys["guild"], "X-Guild-ID": str(THRIFTY)})
            assert foreign.status_code == 403, path
    assert statuses(generous, 1, **{"X-API-Key": keys["guild"], "X-Guild-ID": str(GENEROUS)}) == [200]
    assert statuses(generous, 1, **{"X-API-Key": keys["guild"]}) == [200]


def test_a_guild_in_the_path_is_checked_too(generous: Running, keys: dict[str, str]) -> None:
    from serving.api.guarded_route import GuardedRoute

    async def of_guild(guild_id: int) -> dict[str, int]:
        return {"guild": guild_id}

    path = "/v1/test/{guild_id}"
    REQUIRED_SCOPES[path] = "insights"  # type: ignore[index]
    try:
        generous.app.router.routes.insert(0, GuardedRoute(path, of_guild, methods=["GET"]))
        responses = [
            generous.get(f"/v1/test/{guild}", headers={"X-API-Key": keys["guild"]}) for guild in (THRIFTY, GENEROUS)
        ]
        assert [answer.status_code for answer in responses] == [403, 200]
    finally:
        del REQUIRED_SCOPES[path]  # type: ignore[attr-defined]
        generous.app.router.routes.pop(0)


def test_an_unknown_id_and_a_wrong_secret_read_the_same(generous: Running, keys: dict[str, str]) -> None:
    key_id = keys["predict"].partition(".")[0]
    texts = [generous.get(GAMES, headers={"X-API-Key": key}).json() for key in (f"{key_id}.wrong", "unknown.wrong")]
    for text in texts:
        del text["request_id"]
    assert texts[0] == texts[1]


def test_development_requires_no_keys_and_counts_no_requests(guarded: World) -> None:
    with started(settings_for(guarded.engine, guarded.store, key_rate_limit=1)) as running:
        eventually(lambda: running.get("/readyz").status_code == 200)
        answers = [running.get(GAMES) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit-limit" not in answers[0].headers


def test_the_reference_page_loads_nothing_from_other_hosts(generous: Running) -> None:
    page = generous.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "style=" not in page.text
    for path in REQUIRED_SCOPES:
        assert path in page.text
    assert generous.get("/docs.css").headers["content-type"].startswith("text/css")
    assert "unsafe-inline" not in page.headers["content-security-policy"]

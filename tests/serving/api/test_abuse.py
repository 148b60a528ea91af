"""Hostile requests: every response is a documented one and reveals no internals."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import pytest
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.database.transactions import reading
from migrations.tables import METADATA
from tests.serving.conftest import World, filled_world
from tests.serving.guarded import make_key, production_settings
from tests.serving.service import Running, eventually, started

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
INSIDE = re.compile(r"Traceback|File \"|site-packages|sqlalchemy|pydantic|\.py\b|SELECT |mysql|hunter2", re.IGNORECASE)
BATCH = "/v1/predictions/batch"
JSON = {"content-type": "application/json"}

LITERALS = (
    "' OR '1'='1",
    "'; DROP TABLE api_keys; --",
    '" UNION SELECT secret_sha256 FROM api_keys --',
    "1; DELETE FROM prediction_log",
    "\\'; SELECT SLEEP(5); --",
    "admin'/*",
    "%27%20OR%201=1",
    "0x27204f52",
    "../../../../etc/passwd",
    "..\\..\\windows",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data",
    "{{7*7}}",
    "${jndi:ldap://x/a}",
    "$(id)",
    "`id`",
    "| cat /etc/passwd",
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    "\x00",
    "a\r\nSet-Cookie: x=1",
    "\u202egnp.exe",
    "İ" * 100,
    "\N{FULLWIDTH LATIN CAPITAL LETTER A}rsenal",
    "nan",
    "null",
    "__proto__",
    "🏈" * 30,
)


@pytest.fixture(scope="module")
def abused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with filled_world(tmp_path_factory.mktemp("abuse")) as world:
        yield world


@pytest.fixture(scope="module")
def key(abused: World) -> str:
    return make_key(abused.engine, "predict", "insights", "train", "admin")


@pytest.fixture(scope="module")
def target(abused: World, key: str) -> Iterator[Running]:
    with started(production_settings(abused, key_rate_limit=1_000_000, guild_rate_limit=1_000_000)) as running:
        eventually(lambda: running.get("/readyz").status_code == 200, seconds=60)
        yield running


def contents(world: World) -> dict[str, int]:
    """Return the row count of each table except the prediction log."""
    with reading(world.engine) as connection:
        return {
            name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for name, table in METADATA.tables.items()
            if name not in ("prediction_log", "prediction_answers")
        }


@pytest.mark.slow
def test_the_description_holds_whatever_is_asked(target: Running, key: str) -> None:
    """Some hundred generated requests to every operation, valid and invalid ones."""
    seen = statuses_by_the_description(target, key, each=12)
    assert sum(seen.values()) > 200
    assert seen[200] > 20
    assert seen[422] > 20
    assert not [status for status in seen if status >= 500]


def statuses_by_the_description(target: Running, key: str, each: int) -> dict[int, int]:
    """Request every operation at most ``each`` times, check each response against the OpenAPI document, count statuses."""
    schema = schemathesis.openapi.from_dict(target.app.openapi())
    seen: dict[int, int] = {}

    for operation in schema.get_all_operations():
        cases = operation.ok().as_strategy() | operation.ok().as_strategy(
            generation_mode=schemathesis.GenerationMode.NEGATIVE
        )

        @settings(
            max_examples=each,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(case=cases)
        def ask(case: schemathesis.Case) -> None:
            case.headers["X-API-Key"] = key
            sent = case.as_transport_kwargs(base_url="http://service")
            request_text = unquote(repr(sent)).casefold()
            answer = target.request(sent.pop("method"), sent.pop("url"), **_as_httpx(sent))
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            revealed = [word for word in INSIDE.findall(answer.text) if word.casefold() not in request_text]
            assert not revealed, answer.text
            response = schemathesis.Response.from_httpx(answer, verify=False)
            case.validate_response(response, checks=CHECKS)

        ask()
    return seen


def _as_httpx(sent: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a request in httpx's terms."""
    body = sent.pop("data", None)
    sent.pop("cookies", None)
    return {**{name: value for name, value in sent.items() if value is not None}, **({"content": body} if body else {})}


@pytest.mark.parametrize("literal", LITERALS)
def test_a_payload_is_treated_as_an_unknown_name(target: Running, abused: World, key: str, literal: str) -> None:
    before, began = contents(abused), time.monotonic()
    named, plain = {"X-API-Key": key}, quote(literal, safe="")
    answers = [
        target.get(f"/v1/predictions/{plain}/{plain}/{plain}", headers=named),
        target.get(f"/v1/predictions/soccer/EPL/{plain}", headers=named),
        target.get("/v1/games", params={"q": literal, "league": literal}, headers=named),
        target.get("/v1/matchups/soccer/EPL", params={"home": literal, "away": literal}, headers=named),
        target.get("/v1/prices/soccer/EPL/EPL-101", params={"market": literal, "selection": literal}, headers=named),
        target.get(f"/v2/models/{plain}", headers=named),
        target.post(f"/v1/admin/models/{plain}/rollback", headers=named),
        target.post(BATCH, json={"games": [{"sport": literal, "league": "EPL", "game_id": literal}]}, headers=named),
        target.get("/healthz", headers={"X-Request-ID": literal.encode(), "X-API-Key": literal.encode()}),  # type: ignore[dict-item]
    ]
    assert [answer.status_code for answer in answers[1:3]] == [404] * 2
    assert {answer.status_code for answer in answers} <= {200, 404, 422}
    for answer in answers:
        assert "set-cookie" not in answer.headers
        assert "html" not in answer.headers["content-type"]
    assert contents(abused) == before
    assert time.monotonic() - began < 60


def test_an_unknown_name_reads_the_same_whatever_it_is(target: Running, key: str) -> None:
    def problem(name: str) -> dict[str, Any]:
        answer = target.get(f"/v1/predictions/soccer/EPL/{quote(name, safe='')}", headers={"X-API-Key": key}).json()
        return {field: value for field, value in answer.items() if field in ("status", "code")}

    assert [literal for literal in LITERALS if problem(literal) != problem("unknown")] == []


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b'{"games":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"games":[' + b"1" + b"0" * 4_000 + b"]}",
        b'{"games":[' + b"9" * 900_000 + b"]}",
        b'{"games":[NaN]}',
        b'{"games":[{"sport":"soccer","league":"EPL","game_id":"\xff\xfe"}]}',
        b'{"games":[{"sport":"soccer","league":"EPL","game_id":"\\ud800"}]}',
        b'{"games":[],"games":[]}',
        b"{" + b",".join(b'"k%d":1' % number for number in range(90_000)) + b"}",
        b'{"games":[' + b",".join([b'{"sport":"a","league":"b","game_id":"c"}'] * 101) + b"]}",
        b"\x1f\x8b\x08\x00" + b"\x00" * 10_000,
        b"null",
        b'"text"',
        b"1e999",
    ],
    ids=range(15),
)
@pytest.mark.parametrize("path", [BATCH, "/v2/models/EPL-results/infer", "/invocations?model=EPL-results"])
def test_a_monstrous_body_is_refused(target: Running, key: str, path: str, body: bytes) -> None:
    answer = target.post(path, content=body, headers={"X-API-Key": key, **JSON})
    assert answer.status_code in (400, 413, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 5_000
    assert not INSIDE.search(answer.text)


def test_the_last_of_two_keys_of_one_name_counts(target: Running, key: str) -> None:
    """The same with the fast path and through the framework."""
    game = b'{"sport":"soccer","league":"EPL","game_id":"none","game_id":"EPL-101"}'
    for kind in ("application/json", "application/json; charset=utf-8"):
        headers = {"X-API-Key": key, "content-type": kind}
        (item,) = target.post(BATCH, content=b'{"games":[' + game + b"]}", headers=headers).json()["items"]
        assert item["prediction"]["game"]["game_id"] == "EPL-101"


@settings(max_examples=60)
@given(body=st.binary(max_size=300))
def test_any_bytes_get_a_problem(target: Running, key: str, body: bytes) -> None:
    answer = target.post(BATCH, content=body, headers={"X-API-Key": key, **JSON})
    assert answer.status_code in (400, 422)
    assert json.loads(answer.content)["request_id"]

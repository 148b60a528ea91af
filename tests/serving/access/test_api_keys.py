"""API keys: scopes, expiry, revocation, and secrets that never reach a log."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine

from core.errors import ResourceNotFoundError, ValidationError
from core.logs import configure_logs
from serving.access.api_keys import SCOPES, create_key, list_keys, revoke_key
from tests.conftest import NOW
from tests.serving.conftest import World, filled_world
from tests.serving.guarded import make_key as make
from tests.serving.guarded import production_settings
from tests.serving.service import Running, eventually, started

GAME = "/v1/predictions/soccer/EPL/EPL-102"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world for the tests of keys."""
    folder = tmp_path_factory.mktemp("keys")
    with filled_world(folder) as world:
        yield world


@pytest.fixture(scope="module")
def production(keyed: World) -> Iterator[Running]:
    """A service that requires keys."""
    with started(production_settings(keyed)) as running:
        yield running


def status(running: Running, path: str, key: str | None) -> int:
    return running.get(path, headers={} if key is None else {"X-API-Key": key}).status_code


def test_production_requires_a_valid_key_with_the_routes_scope(keyed: World, production: Running) -> None:
    good, reader, expiring = (
        make(keyed.engine, "predict"),
        make(keyed.engine, "insights"),
        make(keyed.engine, "predict", days=2),
    )
    production.service.admission.step()
    assert status(production, GAME, good) == 200
    key_id, _, secret = good.partition(".")
    wrong = [None, "", "nonsense", f"{key_id}.", f"{key_id}.{secret}x", f"{key_id}.{reader.partition('.')[2]}", "é.é"]
    assert {status(production, GAME, None if key is None else key.encode()) for key in wrong} == {401}  # type: ignore[arg-type]
    assert status(production, GAME, reader) == status(production, "/v1/games", reader) == 403
    assert status(production, "/v1/games", good) == 200
    answer = production.get(GAME)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "ratelimit-limit" not in answer.headers
    assert (answer.json()["code"], "www-authenticate" in answer.headers) == ("AUTH_ERROR", True)
    production.service.clock.moment = NOW + timedelta(days=1)  # type: ignore[attr-defined]
    try:
        assert (status(production, GAME, good), status(production, GAME, expiring)) == (401, 200)
    finally:
        production.service.clock.moment = NOW  # type: ignore[attr-defined]


def test_revoked_key_is_refused_within_seconds(keyed: World, production: Running) -> None:
    key = make(keyed.engine, "predict")
    production.service.admission.step()
    assert status(production, GAME, key) == 200
    revoke_key(keyed.engine, key.partition(".")[0], NOW)
    assert eventually(lambda: status(production, GAME, key) == 401) < 5


def test_key_is_checked_before_the_body(production: Running) -> None:
    answer = production.post(
        "/v1/predictions/batch", content=b"{nonsense", headers={"content-type": "application/json"}
    )
    assert answer.status_code == 401


def test_probes_metrics_and_documentation_are_open(production: Running) -> None:
    assert {production.get(path).status_code for path in ("/healthz", "/readyz", "/metrics", "/docs")} == {200}


@pytest.mark.usefixtures("own_logs")
def test_no_secret_reaches_the_log(keyed: World, production: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Canaries in every part of a request, and the secrets of the settings; for answered, refused and broken requests."""
    settings = production.service.settings
    configure_logs(settings)
    key = make(keyed.engine, "predict", "admin")
    production.service.admission.step()
    canaries = {"Authorization": "Bearer canary-1", "Cookie": "canary-2", "X-Forwarded-For": "canary-3"}
    for sent in (key, key + "canary-4"):
        production.get(f"{GAME}?token=canary-5", headers={**canaries, "X-API-Key": sent, "X-Request-ID": "canary 6"})
        production.post("/v1/predictions/batch", content=b"{canary-7", headers={**canaries, "X-API-Key": sent})
        production.get(f"/v1/models?{key}=canary-8", headers={"X-API-Key": sent, "X-Guild-ID": "canary-9"})
        production.post("/v1/admin/models/canary-10/rollback", headers={"X-API-Key": sent})

    written = ""

    def is_written() -> bool:
        nonlocal written
        written += capsys.readouterr().err
        return written.count('"event":"request"') >= 8

    eventually(is_written)
    lines = [json.loads(line) for line in written.splitlines()]
    route = "/v1/predictions/{sport}/{league}/{game_id}"
    key_id = key.partition(".")[0]
    answered = next(
        line for line in lines if (line.get("route"), line.get("status"), line.get("key_id")) == (route, 200, key_id)
    )
    assert (answered["cache"], answered["generation"]) == ("local", 2)
    assert {"request_id", "method", "status", "ms", "cache", "timestamp"} <= answered.keys()
    assert settings.signing_key is not None
    for secret in ("canary", key.partition(".")[2], settings.signing_key.get_secret_value()):
        assert secret not in written


def test_only_a_hash_of_the_secret_is_stored(sqlite_database: Engine) -> None:
    key_id, _, secret = make(sqlite_database, "predict", "insights").partition(".")
    (stored,) = list_keys(sqlite_database)
    assert (stored.key_id, stored.owner, stored.scopes) == (key_id, "bot", {"predict", "insights"})
    assert stored.is_active(NOW)
    assert secret not in repr(stored)
    assert len(secret) >= 43


def test_revoking_twice_keeps_the_first_time(sqlite_database: Engine) -> None:
    key_id = make(sqlite_database, "admin").partition(".")[0]
    first = revoke_key(sqlite_database, key_id, NOW)
    again = revoke_key(sqlite_database, key_id, NOW + timedelta(hours=1))
    assert first.revoked_at == again.revoked_at == NOW
    assert not again.is_active(NOW)


def test_unknown_ids_scopes_and_past_expiries_are_refused(sqlite_database: Engine) -> None:
    key_id = make(sqlite_database, "admin").partition(".")[0]
    with pytest.raises(ResourceNotFoundError) as unknown:
        revoke_key(sqlite_database, key_id[:-1] + "z", NOW)
    assert unknown.value.nearest == (key_id,)
    for scopes in ([], ["everything"]):
        with pytest.raises(ValidationError, match="scopes"):
            create_key(sqlite_database, owner="bot", scopes=scopes, expires_at=None, now=NOW)
    with pytest.raises(ValidationError, match="expires_at"):
        create_key(sqlite_database, owner="bot", scopes=SCOPES, expires_at=NOW, now=NOW)

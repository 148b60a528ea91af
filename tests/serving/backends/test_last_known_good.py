"""Without a database: the data read last is served with its true age, also by a service that starts then."""

import errno
import os
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy.engine import Engine, make_url

from core.database.engines import open_database
from core.errors import AuthenticationError, DatabaseError
from core.signing import Signer, signer
from serving.access.api_keys import ApiKeys, StoredApiKeys, revoke_key
from serving.backends.last_known_good import PURPOSE, LastKnownGood
from serving.backends.state_dir import StateFolder, state_dir
from serving.games.published_slate import PublishedSlateReader, publish
from tests.conftest import NOW
from tests.services import RedisServer
from tests.serving.backends.conftest import ProxiedWorld
from tests.serving.conftest import World
from tests.serving.guarded import make_key, production_settings
from tests.serving.models import EPL, record_price
from tests.serving.service import MovingClock, Running, eventually, settings_for, started

GAME = "/v1/predictions/soccer/EPL/EPL-102"
PRICED = "/v1/predictions/soccer/EPL/EPL-101"
BATCH = {"games": [{"sport": "soccer", "league": "EPL", "game_id": "EPL-102"}]}
DAY = timedelta(hours=24)


def is_database_down(running: Running) -> bool:
    return running.service.slate_follower.database_error is not None


def test_answers_are_marked_stale_while_the_database_is_unavailable_and_only_then(proxied: ProxiedWorld) -> None:
    clock = MovingClock()
    with started(proxied.settings(), clock) as running:
        before = running.get(GAME)
        assert before.json()["stale"] is False
        proxied.proxy.down()
        eventually(lambda: is_database_down(running))
        clock.moment += timedelta(minutes=7)
        during = running.get(GAME)
        assert (during.status_code, during.json()["stale"], during.json()["age_s"]) == (200, True, 420.0)
        assert during.json()["probabilities"] == before.json()["probabilities"]
        assert during.headers["etag"] != before.headers["etag"]
        assert running.post("/v1/predictions/batch", json=BATCH).json()["items"][0]["prediction"]["stale"] is True
        proxied.proxy.up()
        eventually(lambda: not is_database_down(running))
        assert running.get(GAME).json()["stale"] is False


def test_a_service_that_starts_without_database_and_registry_answers_from_disk(proxied: ProxiedWorld) -> None:
    with started(proxied.settings()) as running:
        before = running.get(GAME).json()
    proxied.proxy.down()
    clock = MovingClock(NOW + timedelta(hours=3))
    with started(proxied.settings(), clock) as running:
        assert running.get("/readyz").status_code == 200
        after = running.get(GAME).json()
        assert (after["stale"], after["age_s"]) == (True, 10800.0)
        assert after["probabilities"] == before["probabilities"]
        assert running.get("/v1/games").json()["games"]
        eventually(lambda: running.service.log.spooled() == 1)
        proxied.proxy.up()
        eventually(lambda: not is_database_down(running))
        assert running.get(GAME).json()["stale"] is False
        eventually(lambda: running.service.log.spooled() == 0)


def test_keys_are_checked_without_the_database(proxied: ProxiedWorld) -> None:
    key = {"X-API-Key": make_key(proxied.world.engine, "predict")}
    settings = production_settings(proxied.world, database_url=proxied.settings().database_url)
    with started(settings) as running:
        assert running.get(GAME, headers=key).status_code == 200
    proxied.proxy.down()
    with started(settings) as running:
        assert running.get(GAME, headers=key).status_code == 200
        assert running.get(GAME).status_code == 401
        assert all(
            path.stat().st_mode & 0o77 == 0 for path in (state_dir(settings).folder.path / "last-good").iterdir()
        )


@pytest.mark.parametrize(("hours", "status"), [(-1, 503), (0, 200), (2, 200), (2.01, 503)])
def test_keys_on_disk_open_nothing_that_is_older_than_the_limit(
    proxied: ProxiedWorld, hours: float, status: int
) -> None:
    """Nor keys read in the future: their age is unknown."""
    key = {"X-API-Key": make_key(proxied.world.engine, "predict", "admin")}
    settings = production_settings(
        proxied.world, database_url=proxied.settings().database_url, data_limit_hours=2, fast_path=True
    )
    with started(settings) as running:
        assert running.get("/v1/models", headers=key).status_code == 200
    proxied.proxy.down()
    clock = MovingClock(NOW + timedelta(hours=hours))
    with started(settings, clock) as running:
        assert running.get("/v1/models", headers=key).status_code == status
        assert (running.get("/readyz").status_code == 200) is (status == 200)
        clock.moment = NOW + timedelta(hours=3)
        eventually(lambda: running.get("/v1/models", headers=key).status_code == 503)
        if status == 200:
            assert "too long ago" in running.get("/v1/models", headers=key).json()["detail"]
        proxied.proxy.up()
        eventually(lambda: running.get("/v1/models", headers=key).status_code == 200)


def test_keys_on_disk_are_renewed_while_the_database_answers(sqlite_database: Engine, tmp_path: Path) -> None:
    folder = partial(StateFolder, tmp_path, is_confirmed=True)
    disk = LastKnownGood(folder, folder, Signer(b"tests", "last-good"))
    keys = ApiKeys(sqlite_database, disk, DAY)
    for minutes, written_at in ((0, 0), (0.9, 0), (1, 1), (600, 600), (30, 30)):
        keys.step(NOW + timedelta(minutes=minutes))
        stored = disk.load("keys", StoredApiKeys)
        assert stored is not None
        assert stored.read_at == NOW + timedelta(minutes=written_at)


def test_before_the_keys_are_loaded_a_key_is_neither_rejected_nor_counted_as_wrong(proxied: ProxiedWorld) -> None:
    key = {"X-API-Key": make_key(proxied.world.engine, "predict")}
    settings = production_settings(proxied.world, database_url=proxied.settings().database_url)
    proxied.proxy.down()
    with started(settings) as running:
        answers = [running.get(GAME, headers=key) for _ in range(30)]
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "SERVICE_ERROR")}
        assert running.get(GAME).status_code == 401
        assert "The API keys are not loaded yet." in running.get("/readyz").json()["causes"]
        proxied.proxy.up()
        eventually(lambda: running.get(GAME, headers=key).status_code == 200, 20)


def test_a_revocation_that_could_not_be_written_at_first_is_written_at_the_next_step(
    sqlite_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(sqlite_database, "predict")
    folder = partial(StateFolder, tmp_path, is_confirmed=True)
    disk = LastKnownGood(folder, folder, Signer(b"tests", "last-good"))
    keys = ApiKeys(sqlite_database, disk, DAY)
    keys.step(NOW)
    revoke_key(sqlite_database, key.partition(".")[0], NOW)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        keys.step(NOW)
    keys.step(NOW)
    restarted = ApiKeys(open_database(make_url(f"sqlite:///{tmp_path}/nothing.db")), disk, DAY)
    restarted.step(NOW)
    with pytest.raises(AuthenticationError):
        restarted.authenticate(key, NOW)


def test_a_failed_statistic_neither_loses_games_nor_counts_as_an_outage(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_engine: Engine) -> None:
        raise DatabaseError("lost in the middle of a query")

    with started(settings_for(world.engine, world.store)) as running:
        follower = running.service.slate_follower
        monkeypatch.setattr(follower.source_ages, "refresh", fails)
        saved: list[str] = []
        monkeypatch.setattr(follower._last_good, "save", lambda name, _document: not saved.append(name))
        follower._unsaved = {"EPL"}
        follower._refresh()
        assert follower.database_error is None
        assert saved
        assert follower._unsaved == set()


def test_nothing_is_staked_while_prices_cannot_be_checked(proxied: ProxiedWorld) -> None:
    clock = MovingClock()
    bet = f"{PRICED.replace('predictions', 'prices')}?market=moneyline&selection=home&odds=9.5"
    with started(proxied.settings(), clock) as running:
        before = running.get(bet).json()
        assert (before["stale"], before["offer"]["stake"] > 0) == (False, True)
        proxied.proxy.down()
        eventually(lambda: is_database_down(running))
        clock.moment += timedelta(minutes=7)
        during = running.get(bet).json()
        assert (during["stale"], during["age_s"]) == (True, 420.0)
        assert (during["offer"]["value"], during["offer"]["stake"]) == (None, 0)
        assert "the data is stale" in during["offer"]["note"]
        sport, league, game_id = PRICED.split("/")[-3:]
        leg = {"sport": sport, "league": league, "game_id": game_id, "odds": 9.5}
        parlay = {"legs": [{**leg, "bets": [{"market": "moneyline", "selection": "home"}]}]}
        whole = running.post("/v1/parlays", json=parlay).json()
        assert (whole["legs"][0]["stale"], whole["offer"]["stake"]) == (True, 0)


def test_data_not_checked_for_too_long_is_refused_with_its_own_code(proxied: ProxiedWorld) -> None:
    clock = MovingClock()
    with started(proxied.settings(data_limit_hours=2), clock) as running:
        assert running.get(GAME).status_code == 200
        proxied.proxy.down()
        eventually(lambda: is_database_down(running))
        clock.moment += timedelta(hours=2)
        assert running.get(GAME).status_code == 200
        clock.moment += timedelta(seconds=1)
        for answer in (running.get(GAME), running.get(GAME, headers={"Cache-Control": "no-cache"})):
            assert (answer.status_code, answer.json()["code"]) == (503, "data_too_old")
            assert answer.headers["retry-after"] == "30"
        for path in ("/v1/ranking", "/v1/ranking?league=EPL&date=2019-01-01", "/v1/games", "/v1/games?q=arsenal"):
            assert (running.get(path).status_code, running.get(path).json()["code"]) == (503, "data_too_old"), path
        for probe in ("/readyz", "/v2/health/ready"):
            (cause,) = running.get(probe).json()["causes"]
            assert (running.get(probe).status_code, cause.partition(":")[0]) == (503, "data_too_old")
        assert {running.get(probe).status_code for probe in ("/ping", "/health")} == {503}
        assert running.get("/healthz").status_code == 200
        (item,) = running.post("/v1/predictions/batch", json=BATCH).json()["items"]
        assert (item["problem"]["status"], item["problem"]["code"]) == (503, "data_too_old")
        proxied.proxy.up()
        eventually(lambda: running.get(GAME).status_code == 200)
        assert {running.get(path).status_code for path in ("/readyz", "/v1/ranking", "/v1/games")} == {200}


def test_games_published_in_redis_are_preferred_to_older_ones_on_disk(
    proxied: ProxiedWorld, redis_process: RedisServer, shared_redis: object
) -> None:
    settings = proxied.settings(redis_url=redis_process.url)
    with started(settings) as running:
        before = running.get(PRICED).json()["market"]["home"]
    later = NOW + timedelta(minutes=30)
    record_price(proxied.world.engine, EPL, "EPL-101", 1.2, later)
    publish(settings, proxied.world.engine, ["EPL"])
    proxied.proxy.down()
    with started(settings, MovingClock(later)) as running:
        after = running.get(PRICED).json()
        assert after["market"]["home"] > before
        assert (after["age_s"], after["stale"]) == (0.0, True)
    shared_redis.hset("dbsbm:slate", "EPL", b"0" * 64 + b"\n{}")  # type: ignore[attr-defined]
    with started(settings, MovingClock(later)) as running:
        assert running.get(PRICED).json()["market"]["home"] == before


MATCHUP = ("/v1/matchups/soccer/EPL", {"home": "Arsenal", "away": "Chelsea"})


def test_a_matchup_is_answered_from_the_published_state_while_the_database_is_unavailable(
    proxied: ProxiedWorld, redis_process: RedisServer, shared_redis: object
) -> None:
    settings = proxied.settings(redis_url=redis_process.url, data_limit_hours=2)
    publish(settings, proxied.world.engine, ["EPL"])
    clock = MovingClock()
    with started(settings, clock) as running:
        before = running.get(MATCHUP[0], params=MATCHUP[1]).json()
        assert before["stale"] is False
        proxied.proxy.down()
        eventually(lambda: is_database_down(running) and "EPL" in running.service.slate.table.states)
        clock.moment += timedelta(minutes=7)
        during = running.get(MATCHUP[0], params=MATCHUP[1]).json()
        assert (during["stale"], during["age_s"]) == (True, before["age_s"] + 420)
        assert during["probabilities"] == before["probabilities"]
        unknown = running.get(MATCHUP[0], params={**MATCHUP[1], "home": "Arsnal"})
        assert (unknown.status_code, unknown.json()["nearest"][0]) == (404, "Arsenal")
        clock.moment += timedelta(hours=2)
        refused = running.get(MATCHUP[0], params=MATCHUP[1])
        assert (refused.status_code, refused.json()["code"]) == (503, "data_too_old")
        proxied.proxy.up()
        eventually(lambda: not is_database_down(running))
        assert running.get(MATCHUP[0], params=MATCHUP[1]).json()["stale"] is False
    proxied.proxy.down()
    with started(settings) as running:
        assert running.get(MATCHUP[0], params=MATCHUP[1]).json()["probabilities"] == before["probabilities"]


def test_only_leagues_with_a_new_timestamp_are_read_again_and_a_forged_state_is_ignored(
    proxied: ProxiedWorld, redis_process: RedisServer, shared_redis: Redis
) -> None:
    settings = proxied.settings(redis_url=redis_process.url)
    publish(settings, proxied.world.engine, ["EPL"])
    assert settings.redis is not None
    slates = PublishedSlateReader(settings.redis, signer(settings, PURPOSE))
    (first,) = slates.read()
    assert first.state is not None
    assert slates.read() == []
    shared_redis.hset("dbsbm:slate", "EPL", shared_redis.hget("dbsbm:slate", "EPL")[:-1] + b"]")  # type: ignore[index]
    shared_redis.hset("dbsbm:slate:stamps", "EPL", "another")
    assert slates.read() == []
    assert 0 < shared_redis.ttl("dbsbm:slate:stamps") <= settings.data_limit_hours * 3600  # type: ignore[operator]
    slates.close()


@pytest.mark.parametrize("damage", ["flipped", "torn", "renamed"])
def test_a_damaged_file_counts_as_missing(proxied: ProxiedWorld, damage: str) -> None:
    with started(proxied.settings()) as running:
        assert running.get(GAME).status_code == 200
    proxied.proxy.down()
    folder = state_dir(proxied.settings()).folder.path / "last-good"
    slate, models = (next(folder.glob(pattern)) for pattern in ("slate*", "models"))
    content = bytearray(slate.read_bytes())
    match damage:
        case "flipped":
            content[200] ^= 1
            slate.write_bytes(bytes(content))
        case "torn":
            slate.write_bytes(bytes(content[:-1]))
        case "renamed":
            slate.write_bytes(models.read_bytes())
    with started(proxied.settings()) as running:
        ready = running.get("/readyz")
        assert (ready.status_code, ready.json()["causes"]) == (503, ["Database unavailable (DB_ERROR)."])

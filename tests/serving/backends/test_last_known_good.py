"""The database away: what was read last is told with its true age, also by a service that starts then."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy.engine import Engine, make_url

from core.database import open_database
from core.errors import AuthenticationError, DatabaseError
from core.settings import Settings
from core.signing import Signer, signer
from migrations import schema
from serving.access.api_keys import ApiKeys, revoke_key
from serving.backends.last_known_good import PURPOSE, LastKnownGood
from serving.backends.state_dir import state_dir
from serving.games.published_slate import PublishedSlateReader, publish
from tests.conftest import NOW
from tests.proxy import Proxy, proxy
from tests.services import MariaDb, RedisServer
from tests.serving.conftest import World, make_world
from tests.serving.guarded import make_key, production_settings
from tests.serving.models import EPL, record_price
from tests.serving.service import MovingClock, Running, eventually, settings_for, started

GAME = "/v1/predictions/soccer/EPL/EPL-102"
PRICED = "/v1/predictions/soccer/EPL/EPL-101"
BATCH = {"games": [{"sport": "soccer", "league": "EPL", "game_id": "EPL-102"}]}
NEVER = "http://127.0.0.1:9"
"""A registry that is not there."""


@dataclass
class Reached:
    """A world whose database is reached through a proxy."""

    world: World
    through: Engine
    proxy: Proxy

    def settings(self, **overrides: object) -> Settings:
        return settings_for(self.through, self.world.store, mlflow_tracking_uri=NEVER, **overrides)


@pytest.fixture
def reached(mariadb: MariaDb, tmp_path: Path) -> Iterator[Reached]:
    engine = open_database(mariadb.recreate("ours"))
    schema.upgrade(engine)
    with proxy(mariadb.port) as before:
        through = open_database(engine.url.set(port=before.port))
        yield Reached(make_world(engine, tmp_path / "bundles"), through, before)
        through.dispose()
    engine.dispose()


def away(running: Running) -> bool:
    return running.service.slate_follower.database_error is not None


def test_answers_are_marked_while_the_database_is_away_and_no_longer_when_it_is_back(reached: Reached) -> None:
    clock = MovingClock()
    with started(reached.settings(), clock) as running:
        before = running.get(GAME)
        assert before.json()["stale"] is False
        reached.proxy.down()
        eventually(lambda: away(running))
        clock.moment += timedelta(minutes=7)
        during = running.get(GAME)
        assert (during.status_code, during.json()["stale"], during.json()["age_s"]) == (200, True, 420.0)
        assert during.json()["probabilities"] == before.json()["probabilities"]
        assert during.headers["etag"] != before.headers["etag"]
        assert running.post("/v1/predictions/batch", json=BATCH).json()["items"][0]["prediction"]["stale"] is True
        reached.proxy.up()
        eventually(lambda: not away(running))
        assert running.get(GAME).json()["stale"] is False


def test_a_service_that_starts_without_database_and_registry_answers_from_disk(reached: Reached) -> None:
    with started(reached.settings()) as running:
        before = running.get(GAME).json()
    reached.proxy.down()
    clock = MovingClock(NOW + timedelta(hours=3))
    with started(reached.settings(), clock) as running:
        assert running.get("/readyz").status_code == 200
        after = running.get(GAME).json()
        assert (after["stale"], after["age_s"]) == (True, 10800.0)
        assert after["probabilities"] == before["probabilities"]
        assert running.get("/v1/games").json()["games"]
        eventually(lambda: running.service.log.spooled() == 1)
        reached.proxy.up()
        eventually(lambda: not away(running))
        assert running.get(GAME).json()["stale"] is False
        eventually(lambda: running.service.log.spooled() == 0)


def test_keys_are_known_without_the_database(reached: Reached) -> None:
    key = {"X-API-Key": make_key(reached.world.engine, "predict")}
    settings = production_settings(reached.world, database_url=reached.settings().database_url)
    with started(settings) as running:
        assert running.get(GAME, headers=key).status_code == 200
    reached.proxy.down()
    with started(settings) as running:
        assert running.get(GAME, headers=key).status_code == 200
        assert running.get(GAME).status_code == 401
        assert all(path.stat().st_mode & 0o77 == 0 for path in (state_dir(settings) / "last-good").iterdir())


def test_while_nobody_can_know_the_keys_a_good_one_is_neither_wrong_nor_counted_as_wrong(reached: Reached) -> None:
    key = {"X-API-Key": make_key(reached.world.engine, "predict")}
    settings = production_settings(reached.world, database_url=reached.settings().database_url)
    reached.proxy.down()
    with started(settings) as running:
        answers = [running.get(GAME, headers=key) for _ in range(30)]
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "SERVICE_ERROR")}
        assert running.get(GAME).status_code == 401
        assert "The keys were not read yet." in running.get("/readyz").json()["causes"]
        reached.proxy.up()
        eventually(lambda: running.get(GAME, headers=key).status_code == 200, 20)


def test_a_revocation_that_the_disk_did_not_take_at_first_is_on_it_a_moment_later(
    sqlite_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(sqlite_database, "predict")
    disk = LastKnownGood(tmp_path, Signer(b"tests", "last-good"))
    ring = ApiKeys(sqlite_database, disk)
    ring.step()
    revoke_key(sqlite_database, key.partition(".")[0], NOW)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        ring.step()
    ring.step()
    heir = ApiKeys(open_database(make_url(f"sqlite:///{tmp_path}/nothing.db")), disk)
    heir.step()
    with pytest.raises(AuthenticationError):
        heir.authenticate(key, NOW)


def test_statistics_that_fail_neither_lose_a_state_nor_call_the_database_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_engine: Engine) -> None:
        raise DatabaseError("lost in the middle of a query")

    with started(settings_for(world.engine, world.store)) as running:
        follower = running.service.slate_follower
        monkeypatch.setattr(follower.source_ages, "refresh", fails)
        kept: list[str] = []
        monkeypatch.setattr(follower._last_good, "save", lambda name, _document: not kept.append(name))
        follower._unsaved = {"EPL"}
        follower._refresh()
        assert follower.database_error is None
        assert kept
        assert follower._unsaved == set()


def test_nothing_is_staked_while_prices_cannot_be_checked(reached: Reached) -> None:
    clock = MovingClock()
    bet = f"{PRICED.replace('predictions', 'prices')}?market=moneyline&selection=home&odds=9.5"
    with started(reached.settings(), clock) as running:
        before = running.get(bet).json()
        assert (before["stale"], before["offer"]["stake"] > 0) == (False, True)
        reached.proxy.down()
        eventually(lambda: away(running))
        clock.moment += timedelta(minutes=7)
        during = running.get(bet).json()
        assert (during["stale"], during["age_s"]) == (True, 420.0)
        assert (during["offer"]["value"], during["offer"]["stake"]) == (None, 0)
        assert "cannot be checked" in during["offer"]["note"]
        sport, league, game_id = PRICED.split("/")[-3:]
        leg = {"sport": sport, "league": league, "game_id": game_id, "odds": 9.5}
        parlay = {"legs": [{**leg, "bets": [{"market": "moneyline", "selection": "home"}]}]}
        whole = running.post("/v1/parlays", json=parlay).json()
        assert (whole["legs"][0]["stale"], whole["offer"]["stake"]) == (True, 0)


def test_data_that_could_not_be_checked_for_too_long_is_refused_by_name(reached: Reached) -> None:
    clock = MovingClock()
    with started(reached.settings(data_limit_hours=2), clock) as running:
        assert running.get(GAME).status_code == 200
        reached.proxy.down()
        eventually(lambda: away(running))
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
        reached.proxy.up()
        eventually(lambda: running.get(GAME).status_code == 200)
        assert {running.get(path).status_code for path in ("/readyz", "/v1/ranking", "/v1/games")} == {200}


def test_what_the_feature_build_left_in_redis_is_newer_than_the_disk(
    reached: Reached, redis_process: RedisServer, shared_redis: object
) -> None:
    settings = reached.settings(redis_url=redis_process.url)
    with started(settings) as running:
        before = running.get(PRICED).json()["market"]["home"]
    later = NOW + timedelta(minutes=30)
    record_price(reached.world.engine, EPL, "EPL-101", 1.2, later)
    publish(settings, reached.world.engine, ["EPL"])
    reached.proxy.down()
    with started(settings, MovingClock(later)) as running:
        after = running.get(PRICED).json()
        assert after["market"]["home"] > before
        assert (after["age_s"], after["stale"]) == (0.0, True)
    shared_redis.hset("dbsbm:slate", "EPL", b"0" * 64 + b"\n{}")  # type: ignore[attr-defined]
    with started(settings, MovingClock(later)) as running:
        assert running.get(PRICED).json()["market"]["home"] == before


MATCHUP = ("/v1/matchups/soccer/EPL", {"home": "Arsenal", "away": "Chelsea"})


def test_a_game_that_nobody_scheduled_is_answered_from_the_published_state_while_the_database_is_away(
    reached: Reached, redis_process: RedisServer, shared_redis: object
) -> None:
    settings = reached.settings(redis_url=redis_process.url, data_limit_hours=2)
    publish(settings, reached.world.engine, ["EPL"])
    clock = MovingClock()
    with started(settings, clock) as running:
        before = running.get(MATCHUP[0], params=MATCHUP[1]).json()
        assert before["stale"] is False
        reached.proxy.down()
        eventually(lambda: away(running) and "EPL" in running.service.slate.table.states)
        clock.moment += timedelta(minutes=7)
        during = running.get(MATCHUP[0], params=MATCHUP[1]).json()
        assert (during["stale"], during["age_s"]) == (True, before["age_s"] + 420)
        assert during["probabilities"] == before["probabilities"]
        unknown = running.get(MATCHUP[0], params={**MATCHUP[1], "home": "Arsnal"})
        assert (unknown.status_code, unknown.json()["nearest"][0]) == (404, "Arsenal")
        clock.moment += timedelta(hours=2)
        refused = running.get(MATCHUP[0], params=MATCHUP[1])
        assert (refused.status_code, refused.json()["code"]) == (503, "data_too_old")
        reached.proxy.up()
        eventually(lambda: not away(running))
        assert running.get(MATCHUP[0], params=MATCHUP[1]).json()["stale"] is False
    reached.proxy.down()
    with started(settings) as running:
        assert running.get(MATCHUP[0], params=MATCHUP[1]).json()["probabilities"] == before["probabilities"]


def test_only_leagues_whose_stamp_has_changed_are_read_again_and_a_forged_state_is_none(
    reached: Reached, redis_process: RedisServer, shared_redis: Redis
) -> None:
    settings = reached.settings(redis_url=redis_process.url)
    publish(settings, reached.world.engine, ["EPL"])
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
def test_a_damaged_file_is_as_good_as_none(reached: Reached, damage: str) -> None:
    with started(reached.settings()) as running:
        assert running.get(GAME).status_code == 200
    reached.proxy.down()
    folder = state_dir(reached.settings()) / "last-good"
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
    with started(reached.settings()) as running:
        ready = running.get("/readyz")
        assert (ready.status_code, ready.json()["causes"]) == (503, ["The database is away (DB_ERROR)."])

"""A restore over a database in use takes nothing back that people decided for their safety."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.database.transactions import reading, writing
from core.registry.deployment import Deployment, deployment
from core.registry.tables import deployments
from feature_store.archive import store as archive
from feature_store.archive.change_log import newest_revision
from feature_store.archive.facts import FactBatch, GameFact, Result
from feature_store.rows.offline import materialize, read_rows
from feature_store.sources.bot.people.tables import bets, consents
from flows.jobs.repairs.restoration import plan_restoration, restore_database
from migrations.backup import backup
from migrations.restore import RestorePlan
from serving.access.api_keys import NewApiKey, create_key, list_keys, revoke_key

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")


def key(engine: Engine, owner: str) -> NewApiKey:
    return create_key(engine, owner=owner, scopes=["predict"], expires_at=None, now=NOW)


def restored(engine: Engine, file: Path) -> RestorePlan:
    return restore_database(engine, file, LEAGUES, replace=True, now=NOW + DAY)


def revoked(engine: Engine) -> dict[str, bool]:
    return {one.owner: one.revoked_at is not None for one in list_keys(engine)}


def test_a_key_revoked_since_the_backup_stays_revoked(database: Engine, tmp_path: Path) -> None:
    stolen, kept = key(database, "stolen"), key(database, "kept")
    backup(database, tmp_path / "b.gz", now=NOW)
    revoke_key(database, stolen.key_id, NOW + DAY / 2)
    newer = key(database, "newer")
    plan = plan_restoration(database, tmp_path / "b.gz", NOW + DAY)
    assert revoked(database) == {"stolen": True, "kept": False, "newer": False}, "a plan changes nothing"
    assert restored(database, tmp_path / "b.gz").statements == plan.statements
    assert plan.statements == [
        f"keys revoked in this database stay revoked: {stolen.key_id} (stolen)",
        f"keys issued since the backup are lost: {newer.key_id} (newer)",
    ]
    assert revoked(database) == {"stolen": True, "kept": False}
    assert {one.revoked_at for one in list_keys(database)} == {NOW + DAY / 2, None}
    assert kept.key_id in {one.key_id for one in list_keys(database)}


def test_keys_that_a_new_database_cannot_judge_are_named(
    sqlite_database: Engine, mariadb_database: Engine, tmp_path: Path
) -> None:
    made = key(sqlite_database, "the bot")
    backup(sqlite_database, tmp_path / "b.gz", now=NOW)
    (statement,) = plan_restoration(mariadb_database, tmp_path / "b.gz", NOW).statements
    assert "does not know are valid" in statement
    assert f"{made.key_id} (the bot)" in statement


def record(engine: Engine, generation: int, champion: int) -> None:
    row = {"model": "EPL-results", "generation": generation, "champion": champion, "changed_at": NOW}
    with writing(engine) as connection:
        connection.execute(sa.delete(deployments))
        connection.execute(sa.insert(deployments), [row])


def deployed(engine: Engine) -> tuple[int, int | None]:
    found = deployment(engine, "EPL-results")
    assert isinstance(found, Deployment)
    return found.generation, found.champion


@pytest.mark.parametrize("generation", [3, 4, 9])
def test_a_restored_champion_has_a_generation_that_nobody_has_seen(
    database: Engine, tmp_path: Path, generation: int
) -> None:
    record(database, 4, champion=1)
    backup(database, tmp_path / "b.gz", now=NOW)
    record(database, generation, champion=2)
    plan = restored(database, tmp_path / "b.gz")
    assert plan.statements == ["champion of EPL-results: version 2 -> 1"]
    assert deployed(database) == (max(4, generation) + 1, 1)


def test_an_unchanged_record_keeps_its_generation(database: Engine, tmp_path: Path) -> None:
    record(database, 4, champion=1)
    backup(database, tmp_path / "b.gz", now=NOW)
    assert restored(database, tmp_path / "b.gz").statements == []
    assert deployed(database) == (4, 1)


def bet(serial: int, user: int) -> dict[str, object]:
    return {
        "bet_serial": serial,
        "known_at": NOW,
        "user_id": user,
        "guild_id": 1,
        "bet_type": "other",
        "units": 1.0,
        "status": "won",
    }


def consent(user: int, at: datetime, *, given: bool) -> dict[str, object]:
    return {"user_id": user, "known_at": at, "analytics_consent": given, "ml_recommendations_enabled": given}


def test_bets_of_who_withdrew_since_stay_erased(database: Engine, tmp_path: Path) -> None:
    with writing(database) as connection:
        connection.execute(sa.insert(consents), [consent(user, NOW, given=True) for user in (1, 2)])
        connection.execute(sa.insert(bets), [bet(1, user=1), bet(2, user=2), bet(3, user=2)])
    backup(database, tmp_path / "b.gz", now=NOW)
    with writing(database) as connection:
        connection.execute(sa.insert(consents), [consent(2, NOW + DAY, given=False)])
        connection.execute(sa.delete(bets).where(bets.c.user_id == 2))
    plan = restored(database, tmp_path / "b.gz")
    assert plan.statements == ["the bets of 1 users stay erased: they have withdrawn consent since the backup"]
    with reading(database) as connection:
        assert connection.scalars(sa.select(bets.c.bet_serial)).all() == [1]
        assert len(connection.execute(sa.select(consents)).all()) == 3


def played(game_id: str, day: int, score: tuple[int, int]) -> FactBatch:
    start = datetime(2024, 3, day, 15, tzinfo=UTC)
    end = start + timedelta(hours=2)
    game = GameFact(game_id, start - DAY, 2023, start, False, "Arsenal", "Chelsea", False, False, "final")
    return FactBatch([game], [Result(game_id, end, end, *score)])


def test_feature_files_never_take_a_new_fact_for_one_they_have(sqlite_database: Engine, tmp_path: Path) -> None:
    """The log continues behind the last revision that a file may note, so that no entry is missed."""

    def learn(batch: FactBatch) -> None:
        archive.record(sqlite_database, EPL, batch, source="test", recorded_at=NOW)

    learn(played("a", 1, (1, 0)))
    backup(sqlite_database, tmp_path / "b.gz", now=NOW)
    learn(played("b", 8, (2, 0)))
    materialize(sqlite_database, EPL, tmp_path / "features", NOW)
    restored(sqlite_database, tmp_path / "b.gz")
    learn(played("c", 5, (0, 3)))
    with reading(sqlite_database) as connection:
        assert newest_revision(connection, EPL.sport, EPL.key) == 4
    materialize(sqlite_database, EPL, tmp_path / "features", NOW + 2 * DAY)
    assert read_rows(tmp_path / "features", EPL)["game_id"].to_pylist() == ["a", "c"]

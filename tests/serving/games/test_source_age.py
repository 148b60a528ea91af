"""Metrics show the age of each source's newest fact, and a scrape sends no query."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact
from serving.games.source_age import SourceAges
from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.service import MovingClock, settings_for, started

NAME = "dbsbm_data_newest_fact_age_seconds"
HOUR = timedelta(hours=1)
EPL = Leagues(BUILT_IN).get("EPL")
GAME = GameFact("g1", NOW, 2023, NOW + HOUR, False, "Arsenal", "Chelsea", False, False, "scheduled")


def test_the_metric_grows_with_the_clock_alone(world: World) -> None:
    archive.record(world.engine, EPL, FactBatch([GAME]), source="bot", recorded_at=NOW - HOUR)
    clock = MovingClock()
    with started(settings_for(world.engine, world.store), clock) as running:
        assert running.metric(NAME, league="EPL", source="bot") == 3600
        clock.moment += HOUR
        assert running.metric(NAME, league="EPL", source="bot") == 7200


def test_reading_ages_sends_no_query(sqlite_database: Engine) -> None:
    archive.record(sqlite_database, EPL, FactBatch([GAME]), source="bot", recorded_at=NOW - HOUR)
    statements: list[str] = []
    sa.event.listen(sqlite_database, "before_cursor_execute", lambda *event: statements.append(event[2]))
    age = SourceAges()
    assert age.ages(NOW) == {}
    age.refresh(sqlite_database)
    queries = len(statements)
    assert queries > 0
    age.refresh(sqlite_database)
    assert age.ages(NOW) == {("EPL", "bot"): 3600}
    assert len(statements) == queries


def test_back_filled_files_are_one_kind_of_source(sqlite_database: Engine) -> None:
    for hours in range(1, 4):
        game = GAME._replace(game_id=f"g{hours}")
        archive.record(
            sqlite_database, EPL, FactBatch([game]), source=f"csv:{hours}.csv", recorded_at=NOW - hours * HOUR
        )
    age = SourceAges()
    age.refresh(sqlite_database)
    assert age.ages(NOW) == {("EPL", "csv"): 3600}

"""A snapshot by a clock that is ahead is refused; one that got in is found by the doctor and taken back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.database.transactions import writing
from core.errors import EXIT_REFUSED, ClockError, exit_code
from core.settings import Settings
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.rows.tables import rows as feature_rows
from feature_store.rows.tables import states
from feature_store.sources.bot.people.tables import consents
from feature_store.sources.bot.snapshot import snapshot
from flows.cli.commands.doctor import CHECKS, Finding
from flows.jobs.features import build_features
from flows.jobs.repairs.retraction import plan_retraction, retract_facts, span_of
from tests.bot_database import change, create_bot_tables, insert, soccer
from tests.conftest import NOW
from tests.flows.jobs.test_jobs import settings_of
from tests.services import MariaDb

EPL = Leagues(BUILT_IN).get("EPL")
FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def bot(mariadb: MariaDb) -> Engine:
    engine = open_database(mariadb.recreate("bot"))
    create_bot_tables(engine, "api_games", "games", "user_settings", "guild_settings", "bets")
    insert(engine, "api_games", **soccer("1"))
    insert(engine, "user_settings", user_id=7, analytics_consent=1, ml_recommendations_enabled=1)
    return engine


def look(bot: Engine, ours: Engine, now: datetime) -> int:
    return sum(item.added for item in snapshot(bot, ours, Leagues(BUILT_IN), now=now).recorded.values())


def test_a_snapshot_by_a_clock_that_is_ahead_is_refused_whole(bot: Engine, database: Engine) -> None:
    with pytest.raises(ClockError, match="ahead of the clock") as refused:
        look(bot, database, FAR_FUTURE)
    assert exit_code(refused.value) == EXIT_REFUSED
    assert archive.count_games(database) == {}
    assert look(bot, database, NOW) == 1


def make_everything_wrong(engine: Engine) -> None:
    """Date what is there as an earlier version with a wrong clock would have."""
    with writing(engine) as connection:
        for table in (tables.games, tables.results, tables.quotes):
            connection.execute(sa.update(table).values(recorded_at=FAR_FUTURE, known_at=FAR_FUTURE))
        connection.execute(sa.update(consents).values(known_at=FAR_FUTURE, analytics_consent=False))
        for table in (states, feature_rows):
            connection.execute(sa.update(table).values(as_of=FAR_FUTURE))


def data_finding(settings: Settings, now: datetime) -> Finding:
    return CHECKS["data"](settings, now)


def test_one_that_got_in_is_found_and_taken_back_with_all_that_hung_on_it(
    bot: Engine, sqlite_database: Engine, tmp_path: Path
) -> None:
    settings = settings_of(sqlite_database, tmp_path)
    assert look(bot, sqlite_database, NOW) == 1
    build_features(settings, NOW)
    make_everything_wrong(sqlite_database)
    finding = data_finding(settings, NOW)
    assert (finding.state, "dated in the future: EPL by bot, feature rows of EPL" in finding.detail) == ("fault", True)
    assert "(bot -" in finding.detail, "the age is negative"
    assert "dbsbm archive retract" in finding.remedy
    change(bot, "UPDATE api_games SET home_team_name = 'Everton'")
    with pytest.raises(ClockError, match="ahead") as refused:
        look(bot, sqlite_database, NOW + timedelta(minutes=1))
    assert "dbsbm archive retract" in refused.value.hint
    span = span_of(settings, None, None, None)
    plan = plan_retraction(settings, span)
    assert ({key: sum(counts) for (_, key), counts in plan.facts.items()}, plan.people) == ({"EPL": 1}, 1)
    assert data_finding(settings, NOW).state == "fault", "a plan changes nothing"
    report = retract_facts(settings, span, NOW + timedelta(minutes=1))
    assert (report.facts, report.people) == (plan.facts, plan.people)
    assert look(bot, sqlite_database, NOW + timedelta(minutes=2)) == 1
    build_features(settings, NOW + timedelta(minutes=2))
    (game,) = archive.load(sqlite_database, EPL).games
    assert (game.home_team, game.known_at) == ("Everton", NOW + timedelta(minutes=2))
    assert data_finding(settings, NOW + timedelta(minutes=2)).state == "ok"
    with sqlite_database.connect() as connection:
        assert connection.scalar(sa.select(consents.c.analytics_consent)) is True
        assert connection.scalar(sa.select(states.c.as_of)) == NOW + timedelta(minutes=2)


def test_the_doctor_compares_the_clocks_both_ways(sqlite_database: Engine, tmp_path: Path) -> None:
    settings = settings_of(sqlite_database, tmp_path)
    for moment, word in ((FAR_FUTURE, "ahead of"), (NOW, "behind")):
        finding = CHECKS["clock"](settings, moment)
        assert finding.state == "fault"
        assert word in finding.detail

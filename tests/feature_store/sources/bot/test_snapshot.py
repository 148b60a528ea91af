"""The bot's live table goes into our archive: completely, repeatably, and without a trace in the bot's database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.database.engines import open_database
from core.database.transactions import reading, turn
from core.errors import ConfigurationError, DatabaseError, DataIntegrityError
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.archive.facts import FactBatch
from feature_store.archive.store import Recorded
from feature_store.identity.team_aliases import record_alias
from feature_store.sources.bot.people.archive import PeopleReport
from feature_store.sources.bot.schema import read_schema
from feature_store.sources.bot.snapshot import SnapshotReport, snapshot
from tests.bot_database import (
    API_GAMES,
    change,
    create_bot_tables,
    football,
    hockey,
    hockey_record,
    insert,
    odds_record,
    soccer,
    soccer_record,
    totals_record,
    wall,
)
from tests.conftest import NOW
from tests.services import MariaDb

AFTER = wall("2024-04-30 23:00")
FINAL = {"status": "Match Finished", "fetched_at": AFTER}


@pytest.fixture
def bot(mariadb: MariaDb) -> Iterator[Engine]:
    engine = open_database(mariadb.recreate("bot"))
    create_bot_tables(engine, "api_games")
    yield engine
    engine.dispose()


@pytest.fixture
def ours(sqlite_database: Engine) -> Engine:
    return sqlite_database


def add(bot: Engine, row: dict[str, Any]) -> None:
    insert(bot, "api_games", **row)


def look(bot: Engine, ours: Engine, leagues: Leagues, **options: Any) -> SnapshotReport:
    return snapshot(bot, ours, leagues, **{"now": NOW, **options})


def stored(ours: Engine, leagues: Leagues, league: str = "EPL") -> FactBatch:
    return archive.load(ours, leagues.get(league), NOW + timedelta(days=1))


def quarantined(ours: Engine) -> list[tuple[str, str, str]]:
    kept = tables.quarantine.c
    with ours.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(kept.place, kept.fact, kept.reason))]


def a_day_of_the_feed(bot: Engine) -> None:
    add(bot, soccer("1", raw_json=soccer_record((2, 1)), **FINAL))
    add(bot, soccer("2", home_team_name="Everton"))
    add(bot, hockey("1", raw_json=hockey_record((3, 2)), score={"home": 0, "away": 0}, status="AOT", fetched_at=AFTER))
    add(bot, football("1", raw_json=totals_record(20, 17), status="Finished", fetched_at=AFTER))
    add(bot, football("2", home_team_name=None))
    add(bot, soccer("9", league_id="88", league_name="Eredivisie"))


def test_a_day_of_the_feed_is_recorded_by_league(bot: Engine, database: Engine, leagues: Leagues) -> None:
    a_day_of_the_feed(bot)
    report = look(bot, database, leagues)
    assert report.read == 6
    assert report.ignored == {"soccer/Eredivisie": 1}
    assert report.quarantined == 1
    assert report.recorded == {
        "EPL": Recorded(games=2, results=1),
        "NFL": Recorded(games=1, results=1, rejected=1),
        "NHL": Recorded(games=1, results=1),
    }
    (result,) = stored(database, leagues, "NHL").results
    assert (result.home_score, result.away_score) == (3, 2)
    assert quarantined(database) == [("api_games id=5", "row", "home_team_name is empty")]


def test_a_second_look_adds_nothing(bot: Engine, database: Engine, leagues: Leagues) -> None:
    a_day_of_the_feed(bot)
    look(bot, database, leagues)
    again = look(bot, database, leagues, now=NOW + timedelta(minutes=1))
    assert sum(recorded.added for recorded in again.recorded.values()) == 0
    assert len(quarantined(database)) == 1


def test_two_looks_at_once_double_nothing(bot: Engine, database: Engine, leagues: Leagues) -> None:
    a_day_of_the_feed(bot)
    for number in range(100, 200):
        add(bot, soccer(str(number), raw_json=soccer_record((1, 0)), **FINAL))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda minute: look(bot, database, leagues, now=NOW + timedelta(minutes=minute)), range(4)))
    epl = stored(database, leagues)
    assert len(epl.games) == len({game.game_id for game in epl.games}) == 102
    assert len(epl.results) == len({result.game_id for result in epl.results}) == 101
    assert len(quarantined(database)) == 1


def test_what_the_bot_deletes_stays_with_us(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    add(bot, soccer("1", raw_json=soccer_record((2, 1)), **FINAL))
    look(bot, ours, leagues)
    before = stored(ours, leagues)
    change(bot, "DELETE FROM api_games")
    nothing = PeopleReport(not_there=("user_settings", "guild_settings", "bets"))
    assert look(bot, ours, leagues) == SnapshotReport(
        0,
        recorded={},
        ignored={},
        preseason={},
        exhibition={},
        guessed_seasons={},
        quarantined=0,
        confirmed=(),
        people=nothing,
    )
    assert stored(ours, leagues) == before


def test_a_game_that_is_moved_is_a_new_fact_and_the_old_one_stays(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    add(bot, soccer("1"))
    look(bot, ours, leagues)
    change(bot, "UPDATE api_games SET start_time = '2024-05-02 19:00:00', fetched_at = '2024-04-30 13:00:00'")
    assert look(bot, ours, leagues).recorded["EPL"] == Recorded(games=1, corrections=1)
    assert [game.start_at.day for game in stored(ours, leagues).games] == [30, 2]


def test_a_start_that_is_moved_and_moved_back_is_told_three_times_however_often_it_is_looked_at(
    bot: Engine, database: Engine, leagues: Leagues
) -> None:
    add(bot, soccer("1"))
    for hour, day in enumerate((30, 30, 2, 2, 30, 30)):
        date = f"2024-{'04' if day == 30 else '05'}-{day:02}"
        change(bot, f"UPDATE api_games SET start_time = '{date} 19:00:00'")
        look(bot, database, leagues, now=datetime(2024, 4, 29, hour, tzinfo=UTC))
    games = stored(database, leagues).games
    assert [(game.start_at.day, game.known_at.hour) for game in games] == [(30, 0), (2, 2), (30, 4)]
    with reading(database) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.games)) == 3


def test_looks_take_turns_so_that_an_older_one_is_never_written_last(
    bot: Engine, database: Engine, leagues: Leagues
) -> None:
    add(bot, soccer("1"))
    with ThreadPoolExecutor(1) as threads:
        with turn(database, "snapshot"):
            waiting = threads.submit(look, bot, database, leagues)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
        assert waiting.result(timeout=30).recorded["EPL"] == Recorded(games=1)


def test_nothing_of_a_look_was_known_before_it(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    """The bot's fetch was hours ago; the server could not have used it until now."""
    add(bot, soccer("1", raw_json=soccer_record((2, 1)), **FINAL))
    look(bot, ours, leagues)
    assert archive.load(ours, leagues.get("EPL"), NOW - timedelta(microseconds=1)) == FactBatch()
    assert len(archive.load(ours, leagues.get("EPL"), NOW).results) == 1


def test_a_look_that_waited_for_a_later_one_is_written_after_it(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    add(bot, soccer("1"))
    look(bot, ours, leagues, now=NOW + timedelta(seconds=30))
    assert look(bot, ours, leagues, now=NOW).recorded["EPL"].added == 0
    change(bot, "UPDATE api_games SET status = 'First Half'")
    look(bot, ours, leagues, now=NOW)
    versions = [(game.status, game.known_at >= NOW + timedelta(seconds=30)) for game in stored(ours, leagues).games]
    assert versions == [("scheduled", True), ("live", True)]


def test_a_final_fetched_again_keeps_its_finish(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    early = {"status": "FT", "fetched_at": wall("2024-04-30 20:55")}
    add(bot, soccer("1", raw_json=soccer_record((2, 1)), **early))
    look(bot, ours, leagues)
    change(bot, "UPDATE api_games SET fetched_at = :at", at=AFTER)
    assert look(bot, ours, leagues).recorded["EPL"].added == 0
    (result,) = stored(ours, leagues).results
    assert result.finished_at == datetime(2024, 4, 30, 20, 55, tzinfo=UTC)


def test_a_corrected_score_is_a_further_result(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    add(bot, soccer("1", raw_json=soccer_record((2, 1)), **FINAL))
    look(bot, ours, leagues)
    change(bot, 'UPDATE api_games SET raw_json = \'{"goals": {"home": 2, "away": 2}}\'')
    look(bot, ours, leagues)
    assert [result.away_score for result in stored(ours, leagues).results] == [1, 2]


def test_a_game_that_becomes_void_takes_its_result_back_once(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    add(bot, soccer("1", raw_json=soccer_record((2, 1)), **FINAL))
    add(bot, soccer("2", status="Match Postponed"))
    look(bot, ours, leagues)
    change(bot, "UPDATE api_games SET status = 'Match Abandoned', fetched_at = '2024-05-01 08:00:00'")
    look(bot, ours, leagues)
    assert look(bot, ours, leagues).recorded["EPL"].added == 0
    taken_back = stored(ours, leagues).results[-1]
    assert (taken_back.game_id, taken_back.home_score, taken_back.away_score) == ("1", None, None)
    assert len(stored(ours, leagues).results) == 2


def test_an_odds_column_is_read_where_there_is_one(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    change(bot, "ALTER TABLE api_games ADD odds JSON NULL")
    add(bot, soccer("1", odds=odds_record("Bet365", "Match Winner", home="2.1", draw="3.4", away="3.6")))
    add(bot, soccer("2", odds=odds_record("Bet365", "Match Winner", home="0.9", draw="3.4", away="3.6")))
    report = look(bot, ours, leagues)
    assert report.recorded["EPL"] == Recorded(games=2, quotes=1, rejected=1)
    assert stored(ours, leagues).quotes[0].odds_draw == 3.4


def test_missing_columns_are_one_error_that_names_them_all(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    change(bot, "ALTER TABLE api_games DROP COLUMN raw_json, DROP COLUMN end_time")
    with pytest.raises(
        DataIntegrityError, match=r"lacks column api_games.end_time, column api_games.raw_json\."
    ) as versions:
        look(bot, ours, leagues)
    assert "dbsbm snapshot --show-schema" in versions.value.hint


def test_a_missing_table_is_named(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    change(bot, "DROP TABLE api_games")
    with pytest.raises(DataIntegrityError, match="lacks table api_games"):
        look(bot, ours, leagues)
    assert read_schema(bot) == {}


def test_the_schema_found_can_be_shown(mariadb: MariaDb) -> None:
    bot = open_database(mariadb.recreate("bot"))
    create_bot_tables(bot)
    shown = read_schema(bot)
    bot.dispose()
    assert sorted(shown) == ["api_games", "bets", "games", "guild_settings", "user_settings", "users"]
    assert shown["users"] == ["user_id", "username", "balance", "frozen_balance", "join_date", "last_seen"]


def test_an_unknown_time_zone_names_the_setting(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    for wrong in ("US/Nowhere", "America", "../etc/passwd", ""):
        with pytest.raises(ConfigurationError, match="BOT_TIMEZONE"):
            look(bot, ours, leagues, time_zone=wrong)
        with pytest.raises(ConfigurationError, match="BOT_BARE_TIMEZONE"):
            look(bot, ours, leagues, bare_time_zone=wrong)


def test_a_bot_database_that_is_away_is_a_database_error(mariadb: MariaDb, ours: Engine, leagues: Leagues) -> None:
    mariadb.execute("DROP DATABASE IF EXISTS gone")
    nothing = open_database(mariadb.address("gone"))
    with pytest.raises(DatabaseError):
        look(nothing, ours, leagues)
    nothing.dispose()


def test_an_account_that_may_only_select_is_enough_and_leaves_no_trace(
    mariadb: MariaDb, bot: Engine, ours: Engine, leagues: Leagues
) -> None:
    a_day_of_the_feed(bot)
    before = checksum(bot)
    mariadb.execute("CREATE OR REPLACE USER reader@'%' IDENTIFIED BY 'only-looking'")
    mariadb.execute("GRANT SELECT ON bot.api_games TO reader@'%'")
    reader = open_database(mariadb.address("bot").set(username="reader", password="only-looking"))
    with pytest.raises(sa.exc.OperationalError):
        change(reader, "DELETE FROM api_games")
    assert look(reader, ours, leagues).read == 6
    assert list(read_schema(reader)) == ["api_games"]
    reader.dispose()
    assert checksum(bot) == before


def test_the_rows_are_read_in_a_read_only_transaction(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    statements: list[str] = []
    sa.event.listen(
        bot, "before_cursor_execute", lambda _c, _u, statement, *_: statements.append(statement.split("\n")[0])
    )
    look(bot, ours, leagues)
    began = statements.index("START TRANSACTION READ ONLY")
    assert statements[began + 1].startswith("SELECT api_games.api_game_id")
    people = statements[began + 2 :]
    assert people[:2] == ["SET time_zone = '+00:00'", "START TRANSACTION READ ONLY"]
    assert {statement.split()[0] for statement in people[2:]} <= {"SELECT", "SHOW"}


def test_a_full_table_is_read_in_seconds(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    rows = [soccer(str(number), raw_json="{}", score="{}") for number in range(3_000)]
    with bot.begin() as connection:
        connection.execute(sa.insert(sa.table("api_games", *map(sa.column, rows[0]))), rows)
    assert look(bot, ours, leagues).recorded["EPL"].games == 3_000


def checksum(bot: Engine) -> tuple[object, ...]:
    with bot.connect() as connection:
        checked = connection.execute(sa.text("CHECKSUM TABLE api_games")).one()
        clock = sa.text("SELECT COUNT(*), MAX(updated_at) FROM api_games")
        return (*checked, *connection.execute(clock).one())


def test_the_spec_table_has_every_column_that_we_need() -> None:
    from feature_store.sources.bot.schema import NEEDED

    assert all(f"\n    {name} " in API_GAMES for name in NEEDED)


def test_clubs_arrive_under_the_names_that_the_aliases_give_them(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    record_alias(ours, leagues.get("EPL"), "Arsenal FC", "Arsenal", source="test", now=NOW)
    add(bot, soccer("1", home_team_name=" Arsenal FC "))
    add(bot, soccer("2", home_team_name="Arsenal FC", away_team_name="Arsenal"))
    look(bot, ours, leagues)
    assert [(game.game_id, game.home_team) for game in stored(ours, leagues).games] == [("1", "Arsenal")]
    ((_, _, reason),) = quarantined(ours)
    assert reason == "home_team_name and away_team_name are the same"

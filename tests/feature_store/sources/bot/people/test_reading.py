"""Of people we hold what they consent to, without names and words, and nothing a snapshot after they withdraw."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.database.engines import open_database
from core.database.transactions import reading
from core.errors import DataIntegrityError
from feature_store.archive import tables as archive_tables
from feature_store.sources.bot.people import tables as bot_tables
from feature_store.sources.bot.people.archive import PeopleReport, consented_bets, record_people
from feature_store.sources.bot.people.reading import Consent, Guild, People, PlacedBet, read_people
from feature_store.sources.bot.snapshot import snapshot
from tests.bot_database import bet, change, create_bot_tables, insert, soccer
from tests.conftest import NOW
from tests.services import MariaDb

LATER = NOW + timedelta(minutes=1)
ANN, BOB, CID = 111_111_111_111_111_111, 222_222_222_222_222_222, 333_333_333_333_333_333


@pytest.fixture
def bot(mariadb: MariaDb) -> Iterator[Engine]:
    engine = open_database(mariadb.recreate("bot"))
    create_bot_tables(engine)
    insert(engine, "users", user_id=ANN, username="secret words")
    insert(engine, "user_settings", user_id=ANN, analytics_consent=True, ml_recommendations_enabled=True)
    insert(engine, "user_settings", user_id=BOB, analytics_consent=False, ml_recommendations_enabled=True)
    insert(engine, "guild_settings", guild_id=7, subscription_level=2, ml_features_enabled=True, api_rate_limit=50)
    for serial, user_id in enumerate((ANN, BOB, CID), start=1):
        insert(engine, "bets", **bet(serial, user_id))
    yield engine
    engine.dispose()


def look(bot: Engine, ours: Engine, leagues: Leagues, now: datetime = NOW) -> PeopleReport:
    return record_people(ours, read_people(bot, leagues), now)


def held(ours: Engine, table: sa.Table) -> list[tuple[Any, ...]]:
    with reading(ours) as connection:
        return [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))]


def consent(bot: Engine, user_id: int, given: bool) -> None:
    change(bot, "UPDATE user_settings SET analytics_consent = :given WHERE user_id = :id", given=given, id=user_id)


def test_only_the_bets_of_those_who_consent_are_held(bot: Engine, database: Engine, leagues: Leagues) -> None:
    assert look(bot, database, leagues) == PeopleReport(consents=2, guilds=1, bets=1)
    placed = datetime(2024, 4, 29, 10, tzinfo=UTC)
    assert consented_bets(database, NOW) == [
        PlacedBet(1, ANN, 7, placed, None, "game_line", "EPL", -110.0, 1.5, "pending", None, "1")
    ]
    assert held(database, bot_tables.consents) == [(ANN, NOW, True, True), (BOB, NOW, False, True)]
    assert held(database, bot_tables.guilds) == [(7, NOW, True, False, 50, "2")]


def test_the_bets_of_others_do_not_even_leave_the_bots_database(bot: Engine, leagues: Leagues) -> None:
    assert {one.user_id for one in read_people(bot, leagues).bets} == {ANN}


def test_no_names_and_no_words_of_people_are_stored(bot: Engine, sqlite_database: Engine, leagues: Leagues) -> None:
    for column in ("status", "bet_type", "league"):
        insert(bot, "bets", **{**bet(0, ANN), "bet_serial": None, column: "secret words"})
    insert(bot, "bets", **bet(9, ANN, bet_details={"api_game_id": "secret words"}))
    insert(bot, "bets", **bet(10, ANN, bet_details="secret words"))
    assert look(bot, sqlite_database, leagues).bets == 6
    stored = repr([held(sqlite_database, table) for table in (bot_tables.bets, bot_tables.consents, bot_tables.guilds)])
    assert "secret" not in stored
    assert {one.status for one in consented_bets(sqlite_database, NOW)} == {"pending", "other"}


def test_a_settled_bet_is_a_further_row_and_what_was_known_before_can_be_asked(
    bot: Engine, database: Engine, leagues: Leagues
) -> None:
    look(bot, database, leagues)
    change(
        bot, "UPDATE bets SET status = 'won', result_value = 1.36, updated_at = '2024-05-01 11:00' WHERE bet_serial = 1"
    )
    assert look(bot, database, leagues, LATER) == PeopleReport(bets=1)
    assert [(one.status, one.settled_at) for one in consented_bets(database, NOW)] == [("pending", None)]
    (now,) = consented_bets(database, LATER)
    assert (now.status, now.settled_at, now.result_value) == ("won", datetime(2024, 5, 1, 11, tzinfo=UTC), 1.36)


def test_a_look_that_brings_nothing_new_writes_nothing(bot: Engine, database: Engine, leagues: Leagues) -> None:
    look(bot, database, leagues)
    before = [held(database, table) for table in (bot_tables.bets, bot_tables.consents, bot_tables.guilds)]
    assert look(bot, database, leagues, LATER) == PeopleReport()
    assert [held(database, table) for table in (bot_tables.bets, bot_tables.consents, bot_tables.guilds)] == before


@pytest.mark.parametrize("how", ["withdrawn", "gone"])
def test_when_consent_ends_every_version_of_the_users_bets_is_erased(
    how: str, bot: Engine, database: Engine, leagues: Leagues
) -> None:
    consent(bot, BOB, True)
    look(bot, database, leagues)
    change(bot, "UPDATE bets SET status = 'lost'")
    look(bot, database, leagues, LATER)
    if how == "withdrawn":
        consent(bot, ANN, False)
    else:
        change(bot, "DELETE FROM user_settings WHERE user_id = :id", id=ANN)
    report = look(bot, database, leagues, LATER + timedelta(minutes=1))
    assert report == PeopleReport(consents=1, erased=2)
    assert {row[2] for row in held(database, bot_tables.bets)} == {BOB}
    assert [row[2] for row in held(database, bot_tables.consents) if row[0] == ANN] == [True, False]


def test_consent_given_again_brings_the_bets_back(bot: Engine, sqlite_database: Engine, leagues: Leagues) -> None:
    for minute, given in enumerate((True, False, True)):
        consent(bot, ANN, given)
        look(bot, sqlite_database, leagues, NOW + timedelta(minutes=minute))
    assert [row[:2] for row in held(sqlite_database, bot_tables.bets)] == [(1, NOW + timedelta(minutes=2))]


def test_who_looked_before_a_withdrawal_and_writes_after_it_brings_nothing_back(
    bot: Engine, database: Engine, leagues: Leagues
) -> None:
    early = read_people(bot, leagues)
    consent(bot, ANN, False)
    look(bot, database, leagues, LATER)
    assert record_people(database, early, NOW).bets == 0
    assert held(database, bot_tables.bets) == []


def test_two_looks_at_once_double_nothing(bot: Engine, mariadb_database: Engine, leagues: Leagues) -> None:
    with ThreadPoolExecutor(4) as pool:
        reports = list(
            pool.map(lambda second: look(bot, mariadb_database, leagues, NOW + timedelta(seconds=second)), range(4))
        )
    assert sum(report.bets for report in reports) == len(held(mariadb_database, bot_tables.bets)) == 1
    assert len(held(mariadb_database, bot_tables.consents)) == 2


@pytest.mark.parametrize(
    ("break_it", "not_there", "expected"),
    [
        ("DROP TABLE user_settings", ("user_settings",), (0, 1, 0)),
        ("ALTER TABLE user_settings DROP COLUMN analytics_consent", ("user_settings.analytics_consent",), (0, 1, 0)),
        ("DROP TABLE bets", ("bets",), (2, 1, 0)),
        ("ALTER TABLE bets DROP COLUMN units", ("bets.units",), (2, 1, 0)),
        (
            "ALTER TABLE guild_settings DROP COLUMN ml_features_enabled, DROP COLUMN api_rate_limit",
            ("guild_settings.ml_features_enabled", "guild_settings.api_rate_limit"),
            (2, 0, 1),
        ),
    ],
)
def test_what_is_not_there_is_named_and_costs_nothing_else(
    break_it: str,
    not_there: tuple[str, ...],
    expected: tuple[int, int, int],
    bot: Engine,
    sqlite_database: Engine,
    leagues: Leagues,
) -> None:
    change(bot, break_it)
    report = look(bot, sqlite_database, leagues)
    assert (report.consents, report.guilds, report.bets) == expected
    assert report.not_there == not_there


def test_an_account_that_may_see_games_only_reads_games_only(
    bot: Engine, mariadb: MariaDb, sqlite_database: Engine, leagues: Leagues
) -> None:
    mariadb.execute("CREATE OR REPLACE USER games_only@'%' IDENTIFIED BY ''")
    mariadb.execute("GRANT SELECT ON bot.api_games TO games_only@'%'")
    insert(bot, "api_games", **soccer("1"))
    limited = open_database(mariadb.address("bot").set(username="games_only"))
    report = snapshot(limited, sqlite_database, leagues, now=NOW)
    limited.dispose()
    assert (report.recorded["EPL"].games, report.people.not_there) == (1, ("user_settings", "guild_settings", "bets"))


def test_losing_sight_of_the_consents_is_no_withdrawal(bot: Engine, sqlite_database: Engine, leagues: Leagues) -> None:
    look(bot, sqlite_database, leagues)
    change(bot, "DROP TABLE user_settings")
    assert look(bot, sqlite_database, leagues, LATER).erased == 0
    assert len(held(sqlite_database, bot_tables.bets)) == 1


def test_an_emptied_table_of_consents_erases_nothing_until_somebody_says_so(
    bot: Engine, sqlite_database: Engine, leagues: Leagues
) -> None:
    consent(bot, BOB, given=True)
    look(bot, sqlite_database, leagues)
    before = [held(sqlite_database, table) for table in (bot_tables.bets, bot_tables.consents, bot_tables.guilds)]
    change(bot, "DELETE FROM user_settings")
    with pytest.raises(DataIntegrityError, match="would erase all 2 stored bets of 2 users") as refused:
        look(bot, sqlite_database, leagues, LATER)
    assert "dbsbm snapshot --erase-all" in refused.value.hint
    assert [
        held(sqlite_database, table) for table in (bot_tables.bets, bot_tables.consents, bot_tables.guilds)
    ] == before
    assert record_people(sqlite_database, read_people(bot, leagues), LATER, erase_all=True).erased == 2
    assert held(sqlite_database, bot_tables.bets) == []
    assert look(bot, sqlite_database, leagues, LATER + timedelta(minutes=1)).erased == 0


def test_everybody_may_withdraw_at_once(bot: Engine, sqlite_database: Engine, leagues: Leagues) -> None:
    look(bot, sqlite_database, leagues)
    change(bot, "UPDATE user_settings SET analytics_consent = 0")
    assert look(bot, sqlite_database, leagues, LATER).erased == 1


def test_games_are_recorded_before_an_erasure_is_refused(
    bot: Engine, sqlite_database: Engine, leagues: Leagues
) -> None:
    look(bot, sqlite_database, leagues)
    change(bot, "DELETE FROM user_settings")
    insert(bot, "api_games", **soccer("1"))
    with pytest.raises(DataIntegrityError, match="user_settings is empty"):
        snapshot(bot, sqlite_database, leagues, now=LATER)
    assert len(held(sqlite_database, archive_tables.games)) == 1


def test_moments_are_utc_whatever_zone_the_bots_server_keeps(
    bot: Engine, mariadb: MariaDb, sqlite_database: Engine, leagues: Leagues
) -> None:
    placed = read_people(bot, leagues).bets[0].placed_at
    mariadb.execute("SET GLOBAL time_zone = '-05:00'")
    try:
        elsewhere = open_database(mariadb.address("bot"))
        assert read_people(elsewhere, leagues).bets[0].placed_at == placed
        elsewhere.dispose()
    finally:
        mariadb.execute("SET GLOBAL time_zone = 'SYSTEM'")


@pytest.mark.parametrize(
    ("columns", "field", "value"),
    [
        ({"odds": 0}, "odds_american", None),
        ({"odds": None}, "odds_american", None),
        ({"odds": 150}, "odds_american", 150.0),
        ({"league": "premier league"}, "league", "EPL"),
        ({"league": "Sunday League"}, "league", None),
        ({"status": "Won"}, "status", "won"),
        ({"bet_details": {"api_game_id": "manual"}}, "game_id", None),
        ({"bet_details": {}}, "game_id", None),
        ({"created_at": None}, "placed_at", None),
    ],
)
def test_odd_cells_of_a_bet_cost_themselves(
    columns: dict[str, Any], field: str, value: object, bot: Engine, leagues: Leagues
) -> None:
    insert(bot, "bets", **bet(5, ANN, **columns))
    assert getattr(read_people(bot, leagues).bets[-1], field) == value


def test_a_bet_is_linked_to_its_game_before_its_details_are_asked(bot: Engine, leagues: Leagues) -> None:
    insert(bot, "games", id=1035037, sport="Football")
    insert(bot, "bets", **bet(5, ANN, game_id=1035037))
    assert read_people(bot, leagues).bets[-1].game_id == "1035037"


def test_a_snapshot_reports_the_people_too(bot: Engine, sqlite_database: Engine, leagues: Leagues) -> None:
    report = snapshot(bot, sqlite_database, leagues, now=NOW)
    assert report.people == PeopleReport(consents=2, guilds=1, bets=1)


def test_a_withdrawal_is_seen_even_where_no_bets_are_read(sqlite_database: Engine) -> None:
    ann = PlacedBet(1, ANN, 7, None, None, "parlay", None, None, 1.0, "pending", None, None)
    there = People([Consent(ANN, True, False)], [Guild(7, True, True, None, None)], [ann], ())
    assert record_people(sqlite_database, there, NOW).bets == 1
    gone = People([Consent(ANN, False, False)], None, [], ("bets",))
    assert record_people(sqlite_database, gone, LATER).erased == 1

"""Which game and league the rows of a snapshot tell of: two writers, overwritten rows, rows that are no games."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from tests.bot_database import football, hockey, hockey_record, loosen_json, soccer, soccer_record, wall
from tests.feature_store.sources.bot.test_snapshot import AFTER, FINAL, add, bot, look, ours, quarantined, stored

__all__ = ["bot", "ours"]


def test_the_same_id_in_two_sports_is_two_games(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    add(bot, football("1"))
    add(bot, football("1", sport="Hockey", league_name="KHL"))
    look(bot, ours, leagues)
    assert len(stored(ours, leagues, "NFL").games) == len(stored(ours, leagues, "KHL").games) == 1


def test_the_league_in_upstreams_record_counts_before_a_column_that_an_overwritten_row_left_behind(
    bot: Engine, ours: Engine, leagues: Leagues
) -> None:
    add(bot, football("1", sport="Basketball", league_name="NBA", raw_json={"league": {"id": 12}}))
    add(bot, football("2", sport="Baseball", league_name="KBO"))
    add(bot, soccer("3", league_name="Premier League", raw_json={"league": {"id": 235, "country": "Russia"}}))
    report = look(bot, ours, leagues)
    assert list(report.recorded) == ["KBO", "NBA"]
    assert report.ignored == {"soccer/Premier League": 1}


def test_a_row_whose_record_names_another_league_than_its_column_is_quarantined(
    bot: Engine, ours: Engine, leagues: Leagues
) -> None:
    add(bot, soccer("1", raw_json={"league": {"id": 140}}))
    report = look(bot, ours, leagues)
    assert (report.read, report.quarantined, report.recorded) == (1, 1, {})
    assert quarantined(ours) == [("api_games id=1", "row", "league id 140 is LALIGA, but league_name 'EPL' means EPL")]


def test_preseason_games_are_counted_and_not_kept(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    add(bot, football("1", raw_json={"game": {"stage": "Pre Season"}}))
    add(bot, football("2", raw_json={"game": {"stage": "Regular Season"}}))
    report = look(bot, ours, leagues)
    assert (report.read, report.preseason, report.quarantined) == (2, {"NFL": 1}, 0)
    assert [game.game_id for game in stored(ours, leagues, "NFL").games] == ["2"]


def test_of_two_rows_for_one_game_the_one_fetched_last_counts(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    add(bot, hockey("1", raw_json=hockey_record((3, 2)), status="FT", fetched_at=AFTER))
    other = {"sport": "Ice Hockey", "status": "FT", "fetched_at": AFTER + timedelta(hours=1)}
    add(bot, hockey("1", raw_json=hockey_record((4, 2)), **other))
    look(bot, ours, leagues)
    (result,) = stored(ours, leagues, "NHL").results
    assert result.home_score == 4


def test_two_rows_of_one_fetch_that_disagree_cost_the_result(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    add(bot, hockey("1", raw_json=hockey_record((3, 2)), status="FT", fetched_at=AFTER))
    add(bot, hockey("1", sport="Ice Hockey", raw_json=hockey_record((4, 2)), status="FT", fetched_at=AFTER))
    look(bot, ours, leagues)
    assert len(stored(ours, leagues, "NHL").games) == 1
    assert stored(ours, leagues, "NHL").results == []
    ((_, fact, reason),) = quarantined(ours)
    assert (fact, reason[-8:]) == ("result", "3-2, 4-2")


def test_a_writer_of_eastern_wall_time_and_python_notation_is_understood(
    bot: Engine, ours: Engine, leagues: Leagues
) -> None:
    loosen_json(bot)
    add(bot, soccer("1", score="{'home': 2, 'away': None}", raw_json=""))
    add(bot, soccer("2", score="{'home': 2, 'away': 1}", raw_json="", **FINAL))
    add(bot, soccer("3", score="{'home': 2, 'away'", raw_json="", **FINAL))
    look(bot, ours, leagues)
    epl = stored(ours, leagues)
    assert {game.start_at for game in epl.games} == {datetime(2024, 4, 30, 23, tzinfo=UTC)}
    assert [(result.game_id, result.home_score, result.away_score) for result in epl.results] == [("2", 2, 1)]
    assert {(place, reason[:21]) for place, _, reason in quarantined(ours)} == {
        ("api_games id=3", "score cannot be read:"),
        ("api_games id=3", "final, but neither ra"),
    }


def test_exhibition_games_are_counted_and_not_kept(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    baseball = {"sport": "Baseball", "league_name": "MLB", "status": "Finished", "fetched_at": AFTER}
    for game_id, start, home in (("1", "2024-03-10", "Cubs"), ("2", "2024-04-10", "Cubs"), ("3", "2024-04-12", "AL")):
        scores = {"scores": {"home": {"total": 5}, "away": {"total": 3}}, "date": f"{start}T18:05:00+00:00"}
        add(bot, football(game_id, **baseball, raw_json=scores, home_team_name=home))
    add(bot, football("4", raw_json={"game": {"stage": "Pro Bowl"}}))
    report = look(bot, ours, leagues)
    assert (report.read, report.exhibition, report.preseason, report.quarantined) == (4, {"MLB": 2, "NFL": 1}, {}, 0)
    assert [one.game_id for one in stored(ours, leagues, "MLB").results] == ["2"]


def test_a_season_that_no_row_states_is_guessed_with_the_archive_and_counted(
    bot: Engine, ours: Engine, leagues: Leagues
) -> None:
    starts = ("2020-03-08", "2020-06-20", "2020-07-04", "2020-07-18", "2020-07-25", "2020-08-02", "2020-09-19")
    for game_id, start in enumerate(starts):
        row = {"sport": "Football", "league_id": "135", "league_name": "SerieA", "status": "Not Started"}
        add(bot, football(str(game_id), **row, start_time=wall(f"{start} 18:00"), away_team_name=f"Club {game_id}"))
    assert look(bot, ours, leagues).guessed_seasons == {"SERIEA": {2019: 6, 2020: 1}}
    assert [one.season for one in stored(ours, leagues, "SERIEA").games] == [*[2019] * 6, 2020]
    assert {item.added for item in look(bot, ours, leagues).recorded.values()} == {0}


def test_mysqls_zero_date_without_strict_mode_is_no_moment(bot: Engine, ours: Engine, leagues: Leagues) -> None:
    add(bot, soccer("1", raw_json=soccer_record((2, 1)), **FINAL))
    with bot.begin() as connection:
        connection.execute(sa.text("SET SESSION sql_mode = ''"))
        connection.execute(sa.text("UPDATE api_games SET end_time = '0000-00-00', fetched_at = '0000-00-00'"))
        connection.execute(sa.text("SET SESSION sql_mode = DEFAULT"))
    assert look(bot, ours, leagues).quarantined == 0
    assert [one.home_score for one in stored(ours, leagues).results] == [2]

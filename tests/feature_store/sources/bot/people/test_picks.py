"""What a bet backs is kept in our own few words, and no name with it."""

import json
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from feature_store.sources.bot.people import tables
from feature_store.sources.bot.people.archive import consented_bets
from feature_store.sources.bot.snapshot import snapshot
from tests.bot_database import bet, change, insert, soccer
from tests.conftest import NOW
from tests.feature_store.sources.bot.people.test_reading import ANN, LATER, bot, consent, held

__all__ = ["bot"]


def leg(**fields: Any) -> dict[str, Any]:
    return {"league": "EPL", "api_game_id": "1", "odds": 150, "team": "secret words", "player_name": "secret", **fields}


def test_the_side_of_a_bet_and_the_legs_of_a_parlay_are_kept_without_a_name(
    bot: Engine, database: Engine, leagues: Leagues
) -> None:
    insert(bot, "api_games", **soccer("1"))
    parlay = [
        leg(selection="Arsenal"),
        leg(api_game_id="9", selection="Over 2.5"),
        leg(league="secret", odds="x"),
        "secret",
    ]
    chosen = {
        11: {"api_game_id": "1", "team_selected": "chelsea"},
        12: {"api_game_id": "1", "team_selected": "secret", "provided_line": "Under 2.5 secret"},
        13: {"api_game_id": "manual", "team_selected": "Arsenal"},
        14: {"legs_info": parlay, "team_selected": "secret words"},
    }
    for serial, details in chosen.items():
        insert(bot, "bets", **bet(serial, ANN, bet_details=details, bet_type="parlay" if serial == 14 else "game_line"))
    snapshot(bot, database, leagues, now=NOW)
    kept = {one.bet_serial: one for one in consented_bets(database, NOW)}
    assert {serial: kept[serial].selection for serial in chosen} == {11: "away", 12: "under", 13: None, 14: None}
    assert [kept[serial].legs for serial in (11, 12, 13)] == [None, None, None]
    assert json.loads(str(kept[14].legs)) == [
        {"league": "EPL", "game_id": "1", "selection": "home", "odds_american": 150.0},
        {"league": "EPL", "game_id": "9", "selection": "over", "odds_american": 150.0},
        {"league": None, "game_id": "1", "selection": None, "odds_american": None},
        {"league": None, "game_id": None, "selection": None, "odds_american": None},
    ]
    assert "secret" not in repr(held(database, tables.bets))
    change(bot, "DELETE FROM api_games")
    assert snapshot(bot, database, leagues, now=LATER).people.bets == 0
    consent(bot, ANN, given=False)
    assert snapshot(bot, database, leagues, now=LATER + timedelta(minutes=1)).people.erased == 5
    assert held(database, tables.bets) == []

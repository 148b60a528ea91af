"""Responses for one game, for many, and for unknown games."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from serving.api.schemas import BatchAnswer, Prediction, Ranking
from tests.conftest import NOW
from tests.serving.models import NFL, TRAINED_UNTIL, fill
from tests.serving.service import Running, settings_for, started

PRICED = "/v1/predictions/soccer/EPL/EPL-101"
UNPRICED = "/v1/predictions/soccer/EPL/EPL-102"
TWO_WAY = "/v1/predictions/american_football/NFL/NFL-102"


@pytest.mark.parametrize(("path", "variant"), [(PRICED, "prices"), (UNPRICED, "results"), (TWO_WAY, "results")])
def test_prediction_comes_from_the_variant_that_fits_the_game(service: Running, path: str, variant: str) -> None:
    answer = service.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = Prediction.model_validate_json(answer.content)
    assert body.model.variant == variant
    assert body.model.version == 1
    assert body.model.trained_until == TRAINED_UNTIL


@pytest.mark.parametrize("path", [PRICED, UNPRICED, TWO_WAY])
def test_probabilities_sum_to_one_and_agree_with_the_odds(service: Running, path: str) -> None:
    body = service.get(path).json()
    chances = {name: value for name, value in body["probabilities"].items() if value is not None}
    assert sum(chances.values()) == pytest.approx(1, abs=1e-9)
    assert all(0 <= value <= 1 for value in chances.values())
    pushed = chances.get("push", 0.0)
    assert body["fair_odds"]["home"]["decimal"] == pytest.approx((1 - pushed) / chances["home"], abs=1e-4)
    expected = body["expected"]
    assert expected["home_score"] - expected["away_score"] == pytest.approx(expected["margin"])
    assert expected["home_score"] + expected["away_score"] == pytest.approx(expected["total"])


def test_two_way_league_has_a_push_in_place_of_a_draw(service: Running) -> None:
    body = service.get(TWO_WAY).json()
    assert body["probabilities"]["draw"] is None
    assert body["fair_odds"]["draw"] is None
    assert body["probabilities"]["push"] == pytest.approx(0.003, abs=1e-6)
    three_way = service.get(UNPRICED).json()
    assert "push" not in three_way["probabilities"]
    assert three_way["probabilities"]["draw"] > 0


def test_market_is_shown_beside_the_forecast_or_null(service: Running) -> None:
    market = service.get(PRICED).json()["market"]
    assert sum(market[side] for side in ("home", "draw", "away")) == pytest.approx(1)
    assert market["total_line"] == 2.75
    assert service.get(UNPRICED).json()["market"] is None


def test_a_team_without_games_has_unknown_data_quality(service: Running) -> None:
    assert service.get("/v1/predictions/soccer/EPL/EPL-103").json()["data_quality"] == "unknown"
    assert service.get(UNPRICED).json()["data_quality"] == "good"


def test_answer_has_the_age_of_its_data(service: Running) -> None:
    fresh = service.get(UNPRICED).json()
    assert fresh["age_s"] == 0
    assert fresh["stale"] is False
    service.service.clock.moment = NOW + timedelta(hours=25)
    try:
        old = service.get(UNPRICED).json()
    finally:
        service.service.clock.moment = NOW
    assert old["stale"] is True
    assert old["age_s"] == 25 * 3600
    assert old["checked_at"] == fresh["checked_at"]


def test_game_that_has_begun_keeps_its_forecast_and_is_marked(service: Running) -> None:
    path = "/v1/predictions/soccer/EPL/EPL%2F104"
    before = service.get(path).json()
    service.service.clock.moment = NOW + timedelta(hours=1)
    try:
        after = service.get(path).json()
    finally:
        service.service.clock.moment = NOW
    assert (before["game"]["status"], after["game"]["status"]) == ("scheduled", "begun")
    assert after["probabilities"] == before["probabilities"]


def test_coming_games_are_computed_before_the_first_request(service: Running) -> None:
    assert service.get(TWO_WAY).json()["cache"] == "local"


def test_unchanged_answer_is_not_sent_again(service: Running) -> None:
    first = service.get(PRICED)
    again = service.get(PRICED, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert service.get(PRICED, headers={"If-None-Match": 'W/"other"'}).status_code == 200


def test_league_may_be_spelt_by_title_and_sport_as_the_bot_does(service: Running) -> None:
    assert service.get("/v1/predictions/Football/premier%20league/EPL-102").json()["game"]["league"] == "EPL"


def test_unknown_league_is_a_404_with_the_nearest(service: Running) -> None:
    answer = service.get("/v1/predictions/soccer/ELP/EPL-101")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "EPL" in answer.json()["nearest"]
    assert answer.json()["code"] == "NOT_FOUND_ERROR"


def test_unknown_game_is_a_404_with_the_nearest(service: Running) -> None:
    answer = service.get("/v1/predictions/soccer/EPL/EPL-1o1")
    assert answer.status_code == 404
    assert answer.json()["nearest"][0] == "EPL-101"
    by_teams = service.get("/v1/predictions/soccer/EPL/arsenal v chelsea")
    assert by_teams.json()["nearest"][0] == "EPL-101"
    assert "Arsenal v Chelsea" in by_teams.json()["hint"]


def test_league_without_champion_has_a_hint(service: Running) -> None:
    answer = service.get("/v1/matchups/soccer/LALIGA", params={"home": "a", "away": "b"})
    assert answer.status_code == 503
    assert answer.json()["detail"] == "There is no champion for LALIGA yet."
    assert "dbsbm train" in answer.json()["hint"]
    assert answer.headers["retry-after"]


def test_batch_keeps_its_order_and_survives_a_bad_id(service: Running) -> None:
    games = [("EPL", "EPL-102"), ("EPL", "nonsense"), ("NFL", "NFL-101"), ("XYZ", "1")]
    sports = {"NFL": "american_football"}
    refs = [{"sport": sports.get(league, "soccer"), "league": league, "game_id": game} for league, game in games]
    answer = service.post("/v1/predictions/batch", json={"games": refs})
    assert answer.status_code == 200
    items = BatchAnswer.model_validate_json(answer.content).items
    assert [item.prediction.game.game_id if item.prediction else item.problem.status for item in items] == [
        "EPL-102",
        404,
        "NFL-101",
        404,
    ]
    single = service.get(UNPRICED).json()
    assert answer.json()["items"][0]["prediction"] == single


@pytest.mark.parametrize("count", [0, 101])
def test_batch_holds_one_to_a_hundred_games(service: Running, count: int) -> None:
    game = {"sport": "soccer", "league": "EPL", "game_id": "EPL-101"}
    answer = service.post("/v1/predictions/batch", json={"games": [game] * count})
    assert answer.status_code == 422
    assert answer.json()["field"] == "games"


def test_matchup_forecasts_a_game_that_is_not_scheduled(service: Running) -> None:
    at_home = service.get("/v1/matchups/soccer/EPL", params={"home": "arsenal", "away": "Chelsea"})
    body = Prediction.model_validate_json(at_home.content)
    assert (body.game.home_team, body.game.away_team, body.model.variant) == ("Arsenal", "Chelsea", "results")
    neutral = service.get("/v1/matchups/soccer/EPL", params={"home": "arsenal", "away": "Chelsea", "neutral": "true"})
    assert neutral.json()["probabilities"]["home"] < body.probabilities.home


def test_matchup_of_an_unknown_team_names_the_nearest(service: Running) -> None:
    answer = service.get("/v1/matchups/soccer/EPL", params={"home": "Arsnal", "away": "Chelsea"})
    assert (answer.status_code, answer.json()["nearest"][0]) == (404, "Arsenal")
    itself = service.get("/v1/matchups/soccer/EPL", params={"home": "Chelsea", "away": "chelsea"})
    assert (itself.status_code, itself.json()["field"]) == (422, "away")


def test_ranking_puts_the_most_confident_first_and_leaves_other_days_out(service: Running) -> None:
    tomorrow = (NOW + timedelta(days=1)).date().isoformat()
    answer = service.get("/v1/ranking", params={"date": tomorrow})
    items = Ranking.model_validate_json(answer.content).items
    assert {item.prediction.game.game_id for item in items} == {"EPL-101", "NFL-101"}
    chances = [item.confidence for item in items]
    assert chances == sorted(chances, reverse=True)
    for item in items:
        shown = item.prediction.probabilities
        assert item.confidence == max(shown.home, shown.draw or 0, shown.away)
    only = service.get("/v1/ranking", params={"date": tomorrow, "league": "NFL", "limit": 1}).json()["items"]
    assert [item["prediction"]["game"]["game_id"] for item in only] == ["NFL-101"]
    assert service.get("/v1/ranking", params={"date": "2019-01-01"}).json() == {"items": []}


def test_a_day_without_any_champion_is_no_empty_day(sqlite_database: Engine, tmp_path: Path) -> None:
    fill(sqlite_database, NFL)
    with started(settings_for(sqlite_database, tmp_path)) as running:
        refused = running.get("/v1/ranking", params={"date": (NOW + timedelta(days=1)).date().isoformat()})
        assert (refused.status_code, refused.json()["code"]) == (503, "SERVICE_ERROR")
        assert "no champion for NFL" in refused.json()["detail"]

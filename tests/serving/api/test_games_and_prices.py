"""Search for autocompletion, and prices of bets."""

import pytest

from serving.api.bet_schemas import Price
from serving.api.schemas import Games
from tests.serving.service import Running

GAME = "/v1/prices/soccer/EPL/EPL-101"


def _found(service: Running, **query: object) -> list[str]:
    answer = service.get("/v1/games", params=query)
    assert answer.status_code == 200
    return [game.game_id for game in Games.model_validate_json(answer.content).games]


@pytest.mark.parametrize("text", ["arsenal", "Arsnal", "arsenal chelsea", "chelsae arsenal", "ars"])
def test_search_finds_teams_despite_typing_errors(service: Running, text: str) -> None:
    assert _found(service, q=text)[0] == "EPL-101"


def test_search_finds_part_of_a_long_name(service: Running) -> None:
    assert _found(service, q="wolverhamton")[0] == "EPL-102"
    assert _found(service, q="dolphins")[0] == "NFL-102"


@pytest.mark.parametrize(
    ("text", "games"),
    [("man u", {"EPL-102", "EPL/104"}), ("wolv", {"EPL-102"}), ("chi", {"NFL-101"}), ("dol", {"NFL-102"})],
)
def test_search_finds_what_is_being_typed(service: Running, text: str, games: set[str]) -> None:
    assert games <= set(_found(service, q=text))
    assert len(_found(service, q=text, limit=1)) == 1


def test_search_finds_nothing_for_nonsense(service: Running) -> None:
    assert _found(service, q="zzzzqqqq") == []


def test_games_without_a_text_come_soonest_first(service: Running) -> None:
    assert _found(service, league="epl") == ["EPL/104", "EPL-101", "EPL-102", "EPL-103"]
    assert _found(service, limit=1) == ["EPL/104"]
    assert _found(service, date="2024-05-03") == ["EPL-102", "NFL-102"]


def test_search_in_an_unknown_league_names_the_nearest(service: Running) -> None:
    answer = service.get("/v1/games", params={"league": "ELP"})
    assert (answer.status_code, "EPL" in answer.json()["nearest"]) == (404, True)


@pytest.mark.parametrize(
    ("query", "field"),
    [({"limit": 26}, "limit"), ({"date": "tomorrow"}, "date"), ({"q": "x" * 101}, "q"), ({"limit": "many"}, "limit")],
)
def test_malformed_search_names_the_field(service: Running, query: dict[str, object], field: str) -> None:
    answer = service.get("/v1/games", params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.json()["code"] == "VALIDATION_ERROR"


def _priced(service: Running, **query: object) -> Price:
    answer = service.get(GAME, params=query)
    assert answer.status_code == 200, answer.text
    return Price.model_validate_json(answer.content)


def test_moneyline_price_is_the_prediction(service: Running) -> None:
    prediction = service.get("/v1/predictions/soccer/EPL/EPL-101").json()
    price = _priced(service, market="moneyline", selection="draw")
    assert price.win == pytest.approx(prediction["probabilities"]["draw"], abs=1e-9)
    assert price.fair_odds.decimal == prediction["fair_odds"]["draw"]["decimal"]
    assert price.offer is None


def test_both_sides_of_a_total_are_one_bet(service: Running) -> None:
    over = _priced(service, market="total", selection="over", line=3)
    under = _priced(service, market="total", selection="under", line=3)
    assert over.win + over.push + under.win == pytest.approx(1)
    assert over.push == pytest.approx(under.push)


@pytest.mark.parametrize(
    ("odds", "written", "decimal"), [(-110, None, 1.9091), (150, None, 2.5), (2.5, None, 2.5), (120, "decimal", 120)]
)
def test_odds_are_read_in_either_format(service: Running, odds: float, written: str | None, decimal: float) -> None:
    query = {"market": "moneyline", "selection": "home", "odds": odds} | ({"format": written} if written else {})
    offer = _priced(service, **query).offer
    assert offer is not None
    assert offer.decimal == decimal


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"market": "corners", "selection": "over"}, "market"),
        ({"market": "total", "selection": "home"}, "selection"),
        ({"market": "total", "selection": "over"}, "line"),
        ({"market": "total", "selection": "over", "line": 2.6}, "line"),
        ({"market": "total", "selection": "over", "line": "1e308"}, "line"),
        ({"market": "total", "selection": "over", "line": "nan"}, "line"),
        ({"market": "moneyline", "selection": "home", "odds": 0.5}, "odds"),
        ({"market": "moneyline", "selection": "home", "odds": 50, "format": "american"}, "odds"),
        ({"selection": "home"}, "market"),
    ],
)
def test_malformed_bet_names_the_field(service: Running, query: dict[str, object], field: str) -> None:
    answer = service.get(GAME, params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_two_way_league_offers_no_draw(service: Running) -> None:
    answer = service.get(
        "/v1/prices/american_football/NFL/NFL-102", params={"market": "moneyline", "selection": "draw"}
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "selection")

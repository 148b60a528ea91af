"""``dbsbm money`` as people run it: it bets, shows the weight of the model, and refuses to look ahead."""

import csv
from pathlib import Path

import pytest

from tests.flows.conftest import Project
from tests.training.evaluation.test_betting_backtest import LAST, traded_league

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder: Path = tmp_path_factory.mktemp("money")
    facts = traded_league()
    results = {result.game_id: result for result in facts.results}
    quotes = {(quote.game_id, quote.moment): quote for quote in facts.quotes}
    with (folder / "nba.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("league", "season", "game_id", "kickoff_utc", "game_date", "home_team", "away_team", "home_score", "away_score",
             "odds_home", "odds_away", "odds_home_open", "odds_away_open")
        )  # fmt: skip
        for game in facts.games:
            result, close, first = (results[game.game_id], *(quotes[game.game_id, name] for name in ("close", "open")))
            writer.writerow(
                ("NBA", game.season, game.game_id, f"{game.start_at:%Y-%m-%dT%H:%M:%SZ}", f"{game.start_at:%Y-%m-%d}",
                 game.home_team, game.away_team, result.home_score, result.away_score,
                 close.odds_home, close.odds_away, first.odds_home, first.odds_away)
            )  # fmt: skip
    project = Project(folder)
    project.run("db", "upgrade")
    project.run("backfill", "nba.csv")
    return project


def test_a_season_is_bet_on_and_the_weight_of_the_model_is_shown(traded: Project) -> None:
    found = traded.json("money", "--league", "NBA", "--seasons", str(LAST))
    assert found["price"] == "close"
    (season,) = found["seasons"]
    assert 250 < season["games"] <= 260, "an implausible price is quarantined"
    assert 0 <= season["weight"] < 0.5
    naive, shrunk, surely = found["ways"]
    assert naive["bets"] > shrunk["bets"] >= surely["bets"]
    assert surely["share"] <= 0.05


def test_looking_ahead_is_refused_with_the_feature_and_the_price(traded: Project) -> None:
    words = ("money", "--league", "NBA", "--seasons", str(LAST), "--recipe", "prices", "--price", "open")
    said = traded.run(*words, "--features", "close", expect=4)
    assert said.startswith("refused: Feature market_")
    assert "opening price" in said


def test_a_price_that_there_is_not_is_named(traded: Project) -> None:
    traded.run("money", "--league", "NBA", "--seasons", str(LAST), "--price", "middle", expect=2)

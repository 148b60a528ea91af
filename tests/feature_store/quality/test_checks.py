"""The gate flags planted damage, and lets every real league through."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import inf, nan
from pathlib import Path
from random import Random

import numpy as np
import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import League, Leagues
from core.errors import ServiceError
from core.registry.bundles.store import BundleStore
from core.registry.deployment import Version
from core.signing import Signer
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.features.sets import EVERYTHING
from feature_store.quality.checks import admit, examine_facts, examine_features
from feature_store.quality.flag import Flag
from feature_store.sources.csv.reader import read_csv
from tests.conftest import NOW
from tests.databases import mlflow_store
from tests.generated import FIRST_DAY
from training.datasets.assembly import dataset_of
from training.fitting.recipe import RECIPES
from training.runs.train import train
from training.runs.training_run import TrainingRun

SEASONS = range(2015, 2022)
GAMES = 200


@pytest.fixture
def epl(leagues: Leagues) -> League:
    return leagues.get("EPL")


def plain_league(seed: int = 0) -> FactBatch:
    """Seven seasons of soccer as they should be."""
    random, batch = Random(seed), FactBatch()
    for season in SEASONS:
        teams: list[str] = []
        for number in range(GAMES):
            teams = teams[2:4] if number % 2 else random.sample("ABCDEFGH", 4)
            start = FIRST_DAY.replace(year=season) + timedelta(days=number // 2, hours=number % 2)
            game_id = f"{season}-{number}"
            batch.games.append(GameFact(game_id, start, season, start, False, *teams[:2], False, False, "scheduled"))
            home, away = random.choice((0, 1, 1, 2, 2, 3)), random.choice((0, 1, 1, 2, 2))
            batch.results.append(Result(game_id, start + timedelta(hours=2), start, home, away))
            batch.quotes.append(Quote(game_id, "book", "close", start, start, 1.9, 3.5, 4.1))
    return batch


def kept(facts: FactBatch, wanted: set[str]) -> FactBatch:
    return FactBatch(*([f for f in kind if f.game_id in wanted] for kind in (facts.games, facts.results, facts.quotes)))


def flagged(flags: list[Flag], level: str) -> set[tuple[int | None, str]]:
    return {(flag.season, flag.what.split(":")[0].split(",")[0]) for flag in flags if flag.level == level}


def test_a_league_as_it_should_be_is_not_flagged(epl: League) -> None:
    assert examine_facts(epl, plain_league()) == []
    assert examine_facts(epl, FactBatch()) == []


def test_half_a_seasons_games_missing_is_refused(epl: League) -> None:
    facts = plain_league()
    gone = {f"2018-{number}" for number in Random(1).sample(range(GAMES), GAMES // 2)}
    flags = examine_facts(epl, kept(facts, {game.game_id for game in facts.games} - gone))
    assert flagged(flags, "refusal") == {(2018, "games missing")}
    with pytest.raises(ServiceError, match="EPL 2018: games missing"):
        admit(flags)


def test_a_season_that_was_played_short_and_one_under_way_are_not_refused(epl: League) -> None:
    facts = plain_league()
    gone = {f"{season}-{number}" for season in (2018, 2021) for number in range(100, GAMES)}
    flags = examine_facts(epl, kept(facts, {game.game_id for game in facts.games} - gone))
    assert flagged(flags, "refusal") == set()
    assert flagged(flags, "warning") == {(2018, "number of games")}
    assert admit(flags) == flags


def test_ten_fold_scores_are_refused_in_one_season_and_in_all(epl: League) -> None:
    facts = plain_league()

    def tenfold(year: str) -> list[Result]:
        return [
            r._replace(home_score=10 * (r.home_score or 0), away_score=10 * (r.away_score or 0))
            if r.game_id.startswith(year) else r
            for r in facts.results
        ]  # fmt: skip

    one = examine_facts(epl, FactBatch(facts.games, tenfold("2021"), facts.quotes))
    assert (2021, "points per game") in flagged(one, "refusal")
    everywhere = examine_facts(epl, FactBatch(facts.games, tenfold(""), facts.quotes))
    assert flagged(everywhere, "refusal") == {(season, "points per game") for season in SEASONS}


def test_a_season_in_which_every_home_team_wins_is_refused(epl: League) -> None:
    facts = plain_league()
    results = [r._replace(home_score=3, away_score=0) if r.game_id.startswith("2017") else r for r in facts.results]
    flags = examine_facts(epl, FactBatch(facts.games, results, facts.quotes))
    assert flagged(flags, "refusal") == {(2017, "share of decided games won at home")}


def test_a_season_whose_closing_prices_went_missing_is_only_a_warning(epl: League) -> None:
    facts = plain_league()
    quotes = [quote for quote in facts.quotes if not quote.game_id.startswith("2016")]
    flags = examine_facts(epl, FactBatch(facts.games, facts.results, quotes))
    assert [(flag.level, flag.season, flag.numbers) for flag in flags] == [("warning", 2016, "-1")]


def test_the_same_meeting_twice_in_a_day_is_a_warning_except_in_baseball(epl: League, leagues: Leagues) -> None:
    facts = plain_league()
    repeated_game = facts.games[250]._replace(game_id="repeated")
    repeated_result = facts.results[250]._replace(game_id="repeated")
    doubled = FactBatch([*facts.games, repeated_game], [*facts.results, repeated_result], facts.quotes)
    assert flagged(examine_facts(epl, doubled), "warning") == {(2016, "games of the same teams on the same day")}
    baseball = examine_facts(leagues.get("MLB"), doubled)
    assert not any("same day" in flag.what for flag in baseball)


def test_a_team_that_plays_itself_or_scores_below_nothing_is_refused(epl: League) -> None:
    facts = plain_league()
    facts.games[7] = facts.games[7]._replace(away_team=facts.games[7].home_team)
    facts.results[9] = facts.results[9]._replace(home_score=-2)
    refusals = [flag for flag in examine_facts(epl, facts) if flag.level == "refusal"]
    assert {(flag.season, flag.what.split()[0]) for flag in refusals} == {(2015, "plays_itself"), (2015, "home_score")}


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("rating_gap", inf, True),
        ("rating_gap", nan, True),
        ("rating_gap", 9_999.0, True),
        ("form_gap", -1.01, True),
        ("home_rest", nan, False),
        ("home_rest", -inf, True),
        ("market_total", 2.5, False),
    ],
)
def test_a_feature_must_keep_to_its_bounds(name: str, value: float, refused: bool, epl: League) -> None:
    values = np.full((40, 2), 0.5)
    values[33, 1] = value
    flags = examine_features(epl, ("neutral", name), np.arange(40) // 10 + 2000, values)
    assert [(flag.level, flag.season) for flag in flags] == [("refusal", 2003)] * refused


def test_every_feature_has_bounds_and_all_but_what_favours_nobody_have_words() -> None:
    for item in EVERYTHING.features:
        assert item.bounds.low < item.bounds.high
    wordless = {item.name for item in EVERYTHING.features if item.in_words(1.0) is None}
    totals = {"total_slow", "total_fast", "price_total", "market_total"}
    assert wordless == {"season_day", "season_games", "experience", "market_draw", *totals}


def run_of(league: League, folder: Path) -> TrainingRun:
    store = BundleStore(folder, mlflow_store(folder), Signer(b"test key", "bundle"))
    return TrainingRun(league, RECIPES["results"], store, NOW, NOW)


@pytest.mark.slow
def test_nothing_is_trained_on_refused_data(epl: League, sqlite_database: Engine, tmp_path: Path) -> None:
    facts = plain_league()
    facts.results[:] = [r._replace(home_score=3, away_score=0) for r in facts.results]
    archive.record(sqlite_database, epl, facts, source="test", recorded_at=NOW)
    stages: list[str] = []
    with pytest.raises(ServiceError, match="Data refused") as refused:
        train(sqlite_database, run_of(epl, tmp_path), on_stage=lambda stage, _result: stages.append(stage))
    assert any("won at home: 1" in str(flag) for flag in refused.value.facts["flags"])
    assert stages == ["data"]


def half_missing(facts: FactBatch) -> FactBatch:
    gone = {f"2018-{number}" for number in Random(1).sample(range(GAMES), GAMES // 2)}
    return kept(facts, {game.game_id for game in facts.games} - gone)


def tenfold(facts: FactBatch) -> FactBatch:
    results = [
        r._replace(home_score=10 * (r.home_score or 0), away_score=10 * (r.away_score or 0))
        if r.game_id.startswith("2021")
        else r
        for r in facts.results
    ]
    return FactBatch(facts.games, results, facts.quotes)


def all_home_wins(facts: FactBatch) -> FactBatch:
    results = [r._replace(home_score=3, away_score=0) if r.game_id.startswith("2017") else r for r in facts.results]
    return FactBatch(facts.games, results, facts.quotes)


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (half_missing, {"EPL-2018-density"}),
        (tenfold, {"EPL-2021-scores", "EPL-2021-sport"}),
        (all_home_wins, {"EPL-2017-home_wins"}),
    ],
)
def test_a_refusal_is_accepted_by_its_name_and_by_no_other(
    damage: Callable[[FactBatch], FactBatch], names: set[str], epl: League
) -> None:
    flags = examine_facts(epl, damage(plain_league()))
    assert {flag.name for flag in flags if flag.level == "refusal"} == names
    admitted = admit(flags, names)
    assert {flag.name for flag in admitted if flag.level == "accepted"} == names
    assert not [flag for flag in admitted if flag.level == "refusal"]
    for wrong in ((), {"density"}, {"EPL-2019-density"}, {"EPL-2017-scores"}, *({*names} - {one} for one in names)):
        with pytest.raises(ServiceError, match=next(iter(sorted(names - {*wrong})))):
            admit(flags, wrong)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_what_was_accepted_stands_in_the_runs_tags(epl: League, sqlite_database: Engine, tmp_path: Path) -> None:
    archive.record(sqlite_database, epl, all_home_wins(half_missing(plain_league())), source="test", recorded_at=NOW)

    def attempt(*accept: str) -> Version:
        return train(sqlite_database, replace(run_of(epl, tmp_path), accept=accept))

    with pytest.raises(ServiceError, match="EPL-2018-density"):
        attempt("EPL-2017-home_wins")
    version = attempt("EPL-2017-home_wins", "EPL-2018-density")
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        (report,) = store.execute(
            "SELECT value FROM tags WHERE key = 'quality' AND run_uuid = ?", (version.run_id,)
        ).fetchone()
    assert version.version == 1
    assert "accepted as EPL-2017-home_wins" in report
    assert "accepted as EPL-2018-density" in report


REAL = {
    "NFL": set(),
    "NBA": {(2011, "number of games")},
    "MLB": set(),
    "NHL": {(2012, "number of games")},
    "EPL": set(),
    "LALIGA": set(),
    "BUNDESLIGA": set(),
}


@pytest.mark.parametrize("key", REAL)
@pytest.mark.slow
def test_no_real_league_is_refused_and_lock_outs_are_noticed(
    key: str, leagues: Leagues, development_data: Path
) -> None:
    league = leagues.get(key)
    facts = read_csv(development_data / f"{key}.csv.gz", leagues).batches[league]
    dataset = dataset_of(league, facts)
    flags = examine_facts(league, facts) + examine_features(league, EVERYTHING.names, dataset.seasons, dataset.values)
    assert admit(flags) == flags
    assert flagged(flags, "warning") == REAL[key]

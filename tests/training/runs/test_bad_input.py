"""Data that cannot be learned from are refused by name; tolerable faults are tolerated and reported."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, League, Leagues
from core.errors import ServiceError
from core.registry import deployment
from core.registry.bundles.store import BundleStore
from core.registry.deployment import Version
from core.signing import Signer
from feature_store.archive import store as archive
from feature_store.archive.checks.quotes import check_quote
from feature_store.archive.facts import FactBatch, Quote, Rejected
from feature_store.archive.store import load as load_facts
from feature_store.features.sets import EVERYTHING
from feature_store.quality.checks import examine_facts
from feature_store.sources.csv.reader import read_csv
from tests.conftest import NOW
from tests.databases import mlflow_store
from tests.generated import invented_facts
from tests.training.refused import GAMES_OF_300, REFUSED, of_seasons, rescored
from training.datasets.assembly import FEWEST_GAMES, Dataset, check_dataset, dataset_of, load_dataset
from training.datasets.splits import proving_blocks
from training.evaluation.walk_forward import walk_forward
from training.fitting.recipe import RECIPES, Recipe
from training.runs.data_warnings import constant_features, overlap_warnings, quarantine_warnings
from training.runs.train import train
from training.runs.trained_model import fit_and_evaluate
from training.runs.training_run import TrainingRun

LEAGUES = Leagues(BUILT_IN)
NFL, EPL, LALIGA = (LEAGUES.get(key) for key in ("NFL", "EPL", "LALIGA"))
LATER = NOW + timedelta(days=400)
RESULTS = replace(RECIPES["results"], rounds=5)


def invented(league: League, games: int, seed: int = 7) -> Dataset:
    return dataset_of(league, invented_facts(seed, games=games, quirks=False))


def test_no_games_are_refused(sqlite_database: Engine) -> None:
    with pytest.raises(ServiceError, match=f"NFL has 0 finished games by .*; {FEWEST_GAMES} are needed"):
        load_dataset(sqlite_database, NFL, NOW)


def test_games_that_all_ended_the_same_way_are_refused() -> None:
    dataset = invented(NFL, 300)
    one = replace(dataset, home_scores=dataset.away_scores + 3)
    with pytest.raises(ServiceError, match="all 300 finished games ended with home"):
        fit_and_evaluate(RESULTS, one)
    level = replace(dataset, home_scores=dataset.away_scores)
    with pytest.raises(ServiceError, match="ended level"):
        fit_and_evaluate(RESULTS, level)


def test_a_score_that_is_no_number_is_refused_with_its_game() -> None:
    dataset = invented(NFL, 60)
    dataset.home_scores[17] = np.nan
    with pytest.raises(ServiceError, match=f"score of game {dataset.game_ids[17]} is no number"):
        check_dataset(dataset, NOW)


def test_games_of_one_evening_cannot_prove_anything() -> None:
    dataset = invented(NFL, 60)
    evening = replace(dataset, starts=np.full(60, dataset.starts[0]), seasons=np.full(60, 2022))
    with pytest.raises(ServiceError, match="too close together"):
        fit_and_evaluate(RESULTS, evening)


def test_a_constant_feature_is_named_and_does_no_harm() -> None:
    dataset = invented(NFL, 400)
    still = replace(dataset, values=dataset.values.copy())
    still.values[:, EVERYTHING.names.index("form_gap")] = 0.25
    still.values[:, EVERYTHING.names.index("rest_gap")] = np.nan
    assert {"form_gap", "rest_gap"} <= set(constant_features(RESULTS.of(still), still))
    assert "form_gap" not in constant_features(RESULTS.of(dataset), dataset)
    probabilities = fit_and_evaluate(RESULTS, still).blocks[-1].probabilities
    assert np.isfinite(probabilities).all()


def test_overlapping_seasons_are_named_and_nothing_is_learnt_from_a_later_game() -> None:
    dataset = invented(NFL, 600)
    seasons = 2016 + np.arange(600) * 6 // 600
    seasons[80:100] = 2017  # the last games of 2016 and the first of 2017 change places
    seasons[100:120] = 2016
    overlapping = replace(dataset, seasons=seasons)
    assert list(overlap_warnings(replace(dataset, seasons=2016 + np.arange(600) * 6 // 600))) == []
    (warning,) = overlap_warnings(overlapping)
    assert "season 2017 begins before an earlier one has ended: 20 games" in warning
    blocks = proving_blocks(overlapping, 5)
    for block in blocks:
        assert overlapping.starts[block.before].max() < overlapping.starts[block.games].min()
    later = overlapping.starts > overlapping.starts[overlapping.seasons == 2019].min()
    turned = replace(
        overlapping,
        home_scores=np.where(later, overlapping.away_scores, overlapping.home_scores),
        away_scores=np.where(later, overlapping.home_scores, overlapping.away_scores),
    )
    own, other = (walk_forward(RESULTS, data, blocks)[0] for data in (overlapping, turned))
    place = [block.block for block in own].index("2019")
    assert np.array_equal(own[place].probabilities, other[place].probabilities)


def test_a_part_whose_games_all_ended_level_has_no_scores_of_its_own() -> None:
    dataset = invented(NFL, 300)
    level = (np.arange(300) >= 150) & (np.arange(300) < 200)
    trained = fit_and_evaluate(
        RESULTS, replace(dataset, home_scores=np.where(level, dataset.away_scores, dataset.home_scores))
    )
    lone = fit_and_evaluate(RESULTS, dataset).evaluation
    assert [len(part.scores) > 0 for part in lone.by_season] == [True] * 3
    scores = {part.name: part.scores for part in trained.evaluation.by_season}
    assert scores["part 4"] == ()
    assert scores["part 5"][0].games > 0


def test_a_proof_counts_only_with_games_before_the_forecast() -> None:
    dataset = invented(NFL, 400)
    _, proofs = walk_forward(RESULTS, dataset, proving_blocks(dataset, 4))
    moment = float(np.median(proofs[0].starts))
    cut = proofs[0].before(moment)
    assert 0 < len(cut.outcomes) < len(proofs[0].outcomes)
    assert (cut.starts < moment).all()
    assert cut.log_probabilities.shape[1] == cut.means["margin"][0].shape[1] == len(cut.outcomes)


def test_odds_that_contradict_each_other_are_set_aside_by_name_and_their_games_learnt_from() -> None:
    facts = invented_facts(9, games=300, quirks=False)
    quotes = [Quote(game.game_id, "book", "close", game.start_at, game.start_at, 1.9, 3.5, 4.1) for game in facts.games]
    wrong = {game.game_id for game in facts.games[::10]}
    checks = [
        check_quote(quote._replace(odds_home=1.05, odds_away=1.05) if quote.game_id in wrong else quote, EPL)
        for quote in quotes
    ]
    reasons = [reason for one in checks for reason in one.reasons]
    assert len(reasons) == len(wrong)
    assert all("overround" in reason for reason in reasons)
    kept = [one.quote for one in checks if one.quote is not None]
    dataset = dataset_of(EPL, FactBatch(facts.games, facts.results, kept))
    assert len(dataset) == 300
    assert np.isnan(dataset.closing).any(axis=1).sum() == len(wrong)
    trained = fit_and_evaluate(replace(RECIPES["prices"], rounds=5), dataset)
    assert all(np.isfinite(block.probabilities).all() for block in trained.blocks)


ARCHIVE = """league,season,game_id,game_date,home_team,away_team,home_score,away_score,odds_home,odds_draw,odds_away,total_line
EPL,2023,e1,2023-09-01,Alder,Birch,1,0,1.05,1.05,1.05,2.5
Premier League,2023,e2,2023-09-02,Cedar,Birch,2,0,1.05,3.5,1.05,2.5
EPL,2023,e3,2023-09-03,Elm,Fir,2,0,1.9,3.5,4.1,-110
EPL,2023,e4,2023-09-04,Elm,Alder,2,0,1.9,3.5,1.0,2.5
EPL,2023,e5,2023-09-05,Fir,Alder,2,0,1.9,three,4.1,2.5
EPL,2023,e6,2023-09-06,Fir,Birch,2,,1.9,3.5,4.1,2.5
EPL,2023,e7,2023-09-07,Fir,Cedar,2,1,1.9,3.5,4.1,2.5
NFL,2023,n1,2023-09-01,Alder,Birch,20,17,1.9,3.5,4.1,40.5
"""


def test_quotes_in_quarantine_are_counted_by_reason_and_only_the_leagues_own(
    sqlite_database: Engine, tmp_path: Path
) -> None:
    assert list(quarantine_warnings(sqlite_database, EPL)) == []
    (tmp_path / "games.csv").write_text(ARCHIVE)
    reading = read_csv(tmp_path / "games.csv", LEAGUES)
    archive.quarantine(sqlite_database, reading.rejected, NOW)
    assert list(quarantine_warnings(sqlite_database, EPL)) == [
        "2 quotes in quarantine: overround outside -3 % to +20 %",
        "1 quote in quarantine: a line that no game can have",
        "1 quote in quarantine: a price or line that is no number",
        "1 quote in quarantine: odds of 1 or less",
    ]
    assert list(quarantine_warnings(sqlite_database, NFL)) == [
        "1 quote in quarantine: a three-way price where there are two outcomes"
    ]


def test_a_thousand_quotes_of_one_reason_are_one_line(sqlite_database: Engine) -> None:
    rejected = [
        Rejected(
            "a.csv", f"a.csv:{line}", "quote", f"close spread +{line} has the opposite sign", "league=NFL,season=2020"
        )
        for line in range(1_234)
    ]
    unnamed = Rejected("bot", "api_games id=7", "quote", "odds of Bet365 are not a decimal number above 1", "[0.9]")
    archive.quarantine(sqlite_database, [*rejected, unnamed], NOW)
    assert list(quarantine_warnings(sqlite_database, NFL)) == [
        "1,234 quotes in quarantine: a spread that contradicts the odds"
    ]


AWAY = "http://127.0.0.1:9"
"""No tracking server: nothing listens there."""


def runs(folder: Path) -> tuple[list[Run], MlflowClient]:
    """The runs of the NFL's experiment, and the client that found them."""
    client = MlflowClient(mlflow_store(folder), mlflow_store(folder))
    experiment = client.get_experiment_by_name("NFL")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id])), client


@pytest.mark.slow
class TestTraining:
    """The same through ``train``, as a person runs it: a named refusal, or a version with its warnings."""

    @pytest.fixture
    def training(self, sqlite_database: Engine, tmp_path: Path) -> Callable[..., Version]:
        def attempt(
            league: League, facts: FactBatch, recipe: Recipe = RESULTS, uri: str = mlflow_store(tmp_path), **given: Any
        ) -> Version:
            archive.record(sqlite_database, league, facts, source="test", recorded_at=NOW)
            flagged = [flag.name for flag in examine_facts(league, load_facts(sqlite_database, league, LATER))]
            of_seasons = [(season, name) for season in range(2015, 2025) for name in ("season_day", "told_twice")]
            accept = [*flagged, *(f"{league.key}-{season}-{name}" for season, name in of_seasons)]
            bundles = BundleStore(tmp_path / "bundles", uri, Signer(b"test key", "bundle"))
            run = TrainingRun(league, recipe, bundles, LATER, LATER, accept=given.pop("accept", accept))
            return train(sqlite_database, run, **given)

        return attempt

    @pytest.mark.parametrize("name", REFUSED)
    def test_it_is_refused_by_name_on_the_screen_and_in_the_run(
        self, name: str, training: Callable[..., Version], sqlite_database: Engine, tmp_path: Path
    ) -> None:
        facts, message, reason = REFUSED[name]
        with pytest.raises(ServiceError, match=message) as refused:
            training(NFL, facts)
        (run,), client = runs(tmp_path)
        assert run.info.status == "FAILED"
        assert (run.data.tags["refusal"], run.data.tags["refusal_code"]) == (reason, "SERVICE_ERROR")
        assert run.data.tags["refusal_message"] == refused.value.message
        read = reason not in ("too_few_games", "score_no_number")
        assert run.data.tags.get("snapshot_sha256") == (facts.sha256() if read else None)
        assert client.search_registered_models() == []
        assert deployment.versions(sqlite_database) == []
        assert deployment.deployments(sqlite_database) == {}

    def test_what_the_quality_gate_refuses_stands_in_the_run_with_its_names(
        self, training: Callable[..., Version], tmp_path: Path
    ) -> None:
        with pytest.raises(ServiceError, match="Data refused"):
            training(NFL, rescored(GAMES_OF_300, lambda _: (20, 17)), accept=[])
        (run,), _ = runs(tmp_path)
        assert run.data.tags["refusal"] == "quality"
        assert "NFL-2022-home_wins" in run.data.tags["quality"]

    def test_a_tracking_server_that_is_away_does_not_hide_the_refusal(self, training: Callable[..., Version]) -> None:
        with pytest.raises(ServiceError, match="NFL has 19 finished games"):
            training(NFL, REFUSED["too few games"][0], uri=AWAY)

    @pytest.mark.filterwarnings("ignore")
    def test_constant_features_and_seasons_that_overlap_a_little_are_tolerated_and_reported(
        self, training: Callable[..., Version]
    ) -> None:
        plain = [game._replace(neutral=False, playoff=False) for game in GAMES_OF_300.games]
        facts = of_seasons(
            FactBatch(plain, GAMES_OF_300.results, []),
            lambda number: 2016 + max(number - 30 * (number % 7 == 0), 0) // 60,
        )
        stages: dict[str, str] = {}
        assert training(NFL, facts, on_stage=stages.__setitem__).version == 1
        assert "the same in every game: " in stages["features"]
        assert "neutral" in stages["features"]
        assert "begins before an earlier one has ended" in stages["quality"]

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize(
        ("price", "reason"),
        [
            (1.05, "close moneyline 1.05, 1.05, 1.05: the overround +185.7% lies outside [-3 %, +20 %]"),
            (1.0, "close odds_home: decimal odds are above 1, got 1"),
        ],
    )
    def test_odds_that_contradict_each_other_are_set_aside_or_tolerated(
        self, price: float, reason: str, training: Callable[..., Version]
    ) -> None:
        """Back-fill sets them aside by name; an archive that got them in another way is still learnt from."""
        quotes = [
            Quote(game.game_id, "book", "close", game.start_at, game.start_at, price, price, price)
            for game in GAMES_OF_300.games
        ]
        assert {check_quote(quote, EPL) for quote in quotes} == {(None, (reason,))}
        facts = FactBatch(GAMES_OF_300.games, GAMES_OF_300.results, quotes)
        version = training(EPL, facts, replace(RECIPES["prices"], rounds=5))
        assert version.scores["scores"][0]["games"] >= 100

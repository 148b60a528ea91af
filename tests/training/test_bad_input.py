"""What cannot be learned from is refused by name; what can be borne is borne and said."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, League, Leagues
from core.errors import ServiceError
from core.registry import deployment
from core.registry.deployment import Version
from core.signing import Signer
from feature_store import archive
from feature_store.archive import load as load_facts
from feature_store.facts import Batch, Quote
from feature_store.features import EVERYTHING
from feature_store.quality import examine_facts
from feature_store.quote_checks import checked as believed
from tests.conftest import NOW
from tests.generated import invented_facts
from training.dataset import FEWEST_GAMES, LEARNING_GAMES, Dataset, checked, dataset_of, load_dataset
from training.doubts import constants, overlaps
from training.evaluation import evaluate
from training.recipe import RECIPES, Recipe
from training.splits import proving_blocks
from training.train import fit, train
from training.walk import walk_forward

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
        fit(RESULTS, one)
    level = replace(dataset, home_scores=dataset.away_scores)
    with pytest.raises(ServiceError, match="ended level"):
        fit(RESULTS, level)


def test_a_score_that_is_no_number_is_refused_with_its_game() -> None:
    dataset = invented(NFL, 60)
    dataset.home_scores[17] = np.nan
    with pytest.raises(ServiceError, match=f"score of game {dataset.game_ids[17]} is no number"):
        checked(dataset, NOW)


def test_games_of_one_evening_cannot_prove_anything() -> None:
    dataset = invented(NFL, 60)
    evening = replace(dataset, starts=np.full(60, dataset.starts[0]), seasons=np.full(60, 2022))
    with pytest.raises(ServiceError, match="too close together"):
        fit(RESULTS, evening)


def test_a_constant_feature_is_named_and_does_no_harm() -> None:
    dataset = invented(NFL, 400)
    still = replace(dataset, values=dataset.values.copy())
    still.values[:, EVERYTHING.names.index("form_gap")] = 0.25
    still.values[:, EVERYTHING.names.index("rest_gap")] = np.nan
    assert {"form_gap", "rest_gap"} <= set(constants(RESULTS.of(still), still))
    assert "form_gap" not in constants(RESULTS.of(dataset), dataset)
    probabilities = fit(RESULTS, still).blocks[-1].probabilities
    assert np.isfinite(probabilities).all()


def test_overlapping_seasons_are_named_and_nothing_is_learnt_from_a_later_game() -> None:
    dataset = invented(NFL, 600)
    seasons = 2016 + np.arange(600) * 6 // 600
    seasons[80:100] = 2017  # the last games of 2016 and the first of 2017 change places
    seasons[100:120] = 2016
    overlapping = replace(dataset, seasons=seasons)
    assert list(overlaps(replace(dataset, seasons=2016 + np.arange(600) * 6 // 600))) == []
    (told,) = overlaps(overlapping)
    assert "season 2017 begins before an earlier one has ended: 20 games" in told
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
    trained = fit(RESULTS, replace(dataset, home_scores=np.where(level, dataset.away_scores, dataset.home_scores)))
    lone = fit(RESULTS, dataset).evaluation
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
    assert cut.said.shape[1] == cut.means["margin"][0].shape[1] == len(cut.outcomes)


def test_odds_that_contradict_each_other_are_set_aside_by_name_and_their_games_learnt_from() -> None:
    facts = invented_facts(9, games=300, quirks=False)
    quotes = [Quote(game.game_id, "book", "close", game.start_at, game.start_at, 1.9, 3.5, 4.1) for game in facts.games]
    wrong = {game.game_id for game in facts.games[::10]}
    said = [
        believed(quote._replace(odds_home=1.05, odds_away=1.05) if quote.game_id in wrong else quote, EPL)
        for quote in quotes
    ]
    reasons = [reason for one in said for reason in one.reasons]
    assert len(reasons) == len(wrong)
    assert all("overround" in reason for reason in reasons)
    kept = [one.quote for one in said if one.quote is not None]
    dataset = dataset_of(EPL, Batch(facts.games, facts.results, kept))
    assert len(dataset) == 300
    assert np.isnan(dataset.closing).any(axis=1).sum() == len(wrong)
    trained = fit(replace(RECIPES["prices"], rounds=5), dataset)
    assert all(np.isfinite(block.probabilities).all() for block in trained.blocks)


def rescored(facts: Batch, score: Callable[[int], tuple[int, int]]) -> Batch:
    """The same games with other scores, by their number."""
    results = [
        result._replace(home_score=score(number)[0], away_score=score(number)[1])
        for number, result in enumerate(facts.results)
    ]
    return Batch(facts.games, results, facts.quotes)


def of_seasons(facts: Batch, season: Callable[[int], int]) -> Batch:
    games = [game._replace(season=season(number)) for number, game in enumerate(facts.games)]
    return Batch(games, facts.results, facts.quotes)


def at_once(facts: Batch) -> Batch:
    """All games at the first one's hour."""
    first = facts.games[0]
    games = [game._replace(known_at=first.known_at, start_at=first.start_at, season=2022) for game in facts.games]
    return Batch(games, facts.results, [])


def a_score_lost(dataset: Dataset) -> Dataset:
    dataset.home_scores[17] = np.nan
    return dataset


GAMES_OF_300 = invented_facts(7, games=300, quirks=False)
REFUSED: dict[str, tuple[Batch, str]] = {
    "no game": (Batch(), "NFL has 0 finished games"),
    "too few games": (invented_facts(7, games=FEWEST_GAMES - 1, quirks=False), "NFL has 19 finished games"),
    "one class only": (rescored(GAMES_OF_300, lambda _: (20, 17)), "all 300 finished games ended with home"),
    "level only": (rescored(GAMES_OF_300, lambda _: (20, 20)), "all 300 finished games ended level"),
    "level where held out": (
        rescored(GAMES_OF_300, lambda number: (20, 20) if number > 90 else (20, 17 + 5 * (number % 2))),
        r"all \d+ games held out \(part 4, part 5, part 6\) ended level",
    ),
    "seasons that overlap throughout": (
        of_seasons(GAMES_OF_300, lambda number: 2016 + number % 5),
        "seasons 2017, 2018, 2019, 2020 begin before an earlier one has ended",
    ),
    "seasons without a past": (
        of_seasons(invented_facts(7, games=20, quirks=False), lambda number: 2020 + min(number, 3)),
        "seasons 2021, 2022, 2023 are all there is to forecast, and none has 10 games before",
    ),
    "one evening": (at_once(GAMES_OF_300), "too close together"),
}


class TestTraining:
    """The same through ``train``, as a person gives it: a named refusal, or a version that says what was borne."""

    @pytest.fixture
    def training(self, sqlite_database: Engine, tmp_path: Path) -> Callable[..., Version]:
        def attempt(league: League, facts: Batch, recipe: Recipe = RESULTS, **given: Any) -> Version:
            archive.record(sqlite_database, league, facts, source="test", recorded_at=NOW)
            flagged = [flag.name for flag in examine_facts(league, load_facts(sqlite_database, league, LATER))]
            accept = [*flagged, *(f"{league.key}-{season}-season_day" for season in range(2015, 2025))]
            return train(
                sqlite_database, league, recipe, bundles=tmp_path / "bundles", signer=Signer(b"test key", "bundle"),
                tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", known_by=LATER, now=LATER,
                accept=accept, **given,
            )  # fmt: skip

        return attempt

    @pytest.mark.parametrize("name", REFUSED)
    def test_it_is_refused_by_name(self, name: str, training: Callable[..., Version], sqlite_database: Engine) -> None:
        facts, said = REFUSED[name]
        with pytest.raises(ServiceError, match=said):
            training(NFL, facts)
        assert deployment.versions(sqlite_database) == []

    def test_a_score_that_is_no_number_is_refused_with_its_game(
        self, training: Callable[..., Version], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No score of the archive can be one: it holds whole numbers."""
        monkeypatch.setattr("training.dataset.dataset_of", lambda *given: a_score_lost(dataset_of(*given)))
        with pytest.raises(ServiceError, match=r"score of game g\d+ is no number \(1 such games\)"):
            training(NFL, GAMES_OF_300)

    @pytest.mark.filterwarnings("ignore")
    def test_constant_features_and_seasons_that_overlap_a_little_are_borne_and_said(
        self, training: Callable[..., Version]
    ) -> None:
        plain = [game._replace(neutral=False, playoff=False) for game in GAMES_OF_300.games]
        facts = of_seasons(
            Batch(plain, GAMES_OF_300.results, []), lambda number: 2016 + max(number - 30 * (number % 7 == 0), 0) // 60
        )
        told: dict[str, str] = {}
        assert training(NFL, facts, on_stage=told.__setitem__).version == 1
        assert "the same in every game: " in told["features"]
        assert "neutral" in told["features"]
        assert "begins before an earlier one has ended" in told["quality"]

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("price", [1.05, 1.0])
    def test_odds_that_contradict_each_other_are_set_aside_or_borne(
        self, price: float, training: Callable[..., Version]
    ) -> None:
        """Back-fill sets them aside by name; an archive that got them in another way is still learnt from."""
        quotes = [
            Quote(game.game_id, "book", "close", game.start_at, game.start_at, price, price, price)
            for game in GAMES_OF_300.games
        ]
        assert all("overround" in said or "1" in said for quote in quotes for said in believed(quote, EPL).reasons)
        assert all(believed(quote, EPL).quote is None for quote in quotes)
        facts = Batch(GAMES_OF_300.games, GAMES_OF_300.results, quotes)
        version = training(EPL, facts, replace(RECIPES["prices"], rounds=5))
        assert version.scores["scores"][0]["games"] >= 100


class TestFallBack:
    """Elo, the sport together, or the league alone: by how many games there are."""

    def test_a_handful_of_games_rests_on_elo(self) -> None:
        small = invented(NFL, 60)
        assert small.basis == "elo"
        trained = fit(RESULTS, small)
        spec = trained.fitted.spec
        assert not trained.fitted.trees
        used = np.flatnonzero(np.array(spec.outcome.linears[0].coefficients).any(axis=0))
        assert [trained.recipe.features.names[place] for place in used] == ["rating_gap"]
        rows = np.zeros((1, len(trained.recipe.features.names)))
        rows[0, trained.recipe.features.names.index("rating_gap")] = 400.0
        assert trained.fitted.forecaster().probabilities(rows)[0, 0] == pytest.approx(10 / 11)
        assert evaluate(trained.blocks).scores[0].games > 20

    def test_with_prices_a_handful_of_games_takes_the_market_as_it_is(self) -> None:
        small = invented(EPL, 100)
        assert small.basis == "elo"
        trained = fit(RECIPES["prices"], small)
        place = [trained.recipe.features.names.index(name) for name in ("market_log_odds", "market_draw")]
        rows = np.zeros((1, len(trained.recipe.features.names)))
        rows[0, place] = np.log(0.5 / 0.3), np.log(0.2 / np.sqrt(0.5 * 0.3))
        said = trained.fitted.forecaster().blended(rows)[0]
        assert np.exp(said) / np.exp(said).sum() == pytest.approx([0.5, 0.2, 0.3], abs=0.02)

    def test_elo_gives_the_draw_its_share(self) -> None:
        small = invented(EPL, 40)
        trained = fit(RESULTS, small)
        even = trained.fitted.forecaster().probabilities(np.zeros((1, len(trained.recipe.features.names))))[0]
        assert even[0] == pytest.approx(even[2])
        assert 0.15 < even[1] < 0.35

    def test_a_small_league_learns_from_its_sport(self) -> None:
        small = invented(EPL, 60)
        pooled = replace(small, lenders=(invented(LALIGA, 500, seed=8),))
        assert pooled.basis == "pooled"
        assert "LALIGA (500 games)" in pooled.rests_on
        trained = fit(RESULTS, pooled)
        assert trained.recipe.pooled_with[0].startswith("LALIGA:")
        assert trained.recipe.label != RESULTS.of(small).label
        grown = replace(small, lenders=(invented(LALIGA, 510, seed=8),))
        assert RESULTS.of(grown).pooled_with != trained.recipe.pooled_with
        assert RESULTS.of(grown).label == trained.recipe.label
        assert len(trained.fitted.spec.outcome.linears) == 2

    def test_nothing_is_borrowed_from_the_future(self) -> None:
        small, lender = invented(EPL, 200), invented(LALIGA, 500, seed=8)
        moment = float(small.starts[100])
        basis, lessons = replace(small.select(small.starts < moment), lenders=(lender,)).lessons(moment)
        assert basis == "pooled"
        assert len(lessons) == 100 + (lender.starts < moment).sum()
        assert (lessons.starts < moment).all()
        assert (np.diff(lessons.starts) >= 0).all()

    def test_enough_games_stand_alone(self) -> None:
        assert invented(NFL, LEARNING_GAMES).basis == "own"

    def test_the_archive_lends_only_what_plays_alike(self, sqlite_database: Engine) -> None:
        for league, games in ((EPL, 60), (LALIGA, 400), (NFL, 400)):
            archive.record(
                sqlite_database, league, invented_facts(5, games=games, quirks=False), source="test", recorded_at=NOW
            )
        dataset = load_dataset(sqlite_database, EPL, NOW + timedelta(days=1), LEAGUES)
        assert [other.league.key for other in dataset.lenders] == ["LALIGA"]

    @pytest.mark.filterwarnings("ignore")
    def test_the_version_says_what_it_rests_on(self, sqlite_database: Engine, tmp_path: Path) -> None:
        archive.record(sqlite_database, EPL, invented_facts(5, games=60, quirks=False), source="test", recorded_at=NOW)
        told: dict[str, str] = {}
        version = train(
            sqlite_database, EPL, RESULTS, bundles=tmp_path, signer=Signer(b"test key", "bundle"),
            tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", known_by=NOW, now=NOW, on_stage=told.__setitem__,
        )  # fmt: skip
        assert version.scores["basis"] == "elo"
        assert "Elo ratings" in told["data"]

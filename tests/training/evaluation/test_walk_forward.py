"""Walking forward: what a forecast may rest on, and that the same data gives the same bundle."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from core.betting.leagues import BUILT_IN, Leagues
from core.errors import ServiceError, ValidationError
from core.registry.bundles.contents import write_bundle
from core.signing import Signer
from feature_store.archive.facts import FactBatch
from feature_store.sources.library.sample import sample_batches
from tests.generated import invented_facts
from training.datasets.assembly import Dataset, dataset_of
from training.datasets.splits import GAP, proving_blocks, season_blocks
from training.evaluation.backtest import parse_seasons
from training.evaluation.scores import evaluate
from training.evaluation.walk_forward import walk_forward
from training.fitting.recipe import RECIPES
from training.runs.trained_model import TrainedModel, fit_and_evaluate

LEAGUES = Leagues(BUILT_IN)
EPL, NFL = LEAGUES.get("EPL"), LEAGUES.get("NFL")
RESULTS, PRICES = RECIPES["results"], RECIPES["prices"]


@pytest.fixture(scope="module")
def sample() -> FactBatch:
    return sample_batches(LEAGUES)[EPL]


@pytest.fixture(scope="module")
def dataset(sample: FactBatch) -> Dataset:
    return dataset_of(EPL, sample)


@pytest.fixture(scope="module")
def trained(dataset: Dataset) -> TrainedModel:
    return fit_and_evaluate(RESULTS, dataset)


def test_every_block_learns_only_from_games_that_ended_before_it(dataset: Dataset) -> None:
    for block in proving_blocks(dataset, 4):
        assert dataset.starts[block.before].max() < dataset.starts[block.games].min() - GAP
        assert not (block.before & block.games).any()


def test_a_league_of_one_season_is_cut_by_date(dataset: Dataset) -> None:
    names = [block.name for block in proving_blocks(dataset, 4)]
    assert names == ["part 3", "part 4", "part 5", "part 6"]


def test_a_season_without_a_past_is_refused_by_name(dataset: Dataset) -> None:
    with pytest.raises(ValidationError, match="2023"):
        season_blocks(dataset, [2023], 4)
    with pytest.raises(ValidationError, match="no games of 2031"):
        season_blocks(dataset, [2031], 4)


def test_forecasts_of_a_block_do_not_change_with_what_comes_after_it(sample: FactBatch, dataset: Dataset) -> None:
    blocks = proving_blocks(dataset, 4)[:2]
    end = dataset.starts[blocks[-1].games].max()
    early = FactBatch(
        [game for game in sample.games if game.start_at.timestamp() <= end],
        sample.results,
        sample.quotes,
    )
    shorter = dataset_of(EPL, early)
    cut = [type(block)(block.name, block.before[: len(shorter)], block.games[: len(shorter)]) for block in blocks]
    full, _ = walk_forward(RESULTS, dataset, blocks)
    again, _ = walk_forward(RESULTS, shorter, cut)
    assert np.array_equal(full[1].probabilities, again[1].probabilities)


def test_a_forecast_without_odds_does_not_see_its_own_games_price(sample: FactBatch, dataset: Dataset) -> None:
    last = sample.games[-1].game_id
    repriced = FactBatch(
        sample.games, sample.results, [q._replace(odds_home=50.0) if q.game_id == last else q for q in sample.quotes]
    )
    other = dataset_of(EPL, repriced)
    row = dataset.game_ids.index(last)
    seen, seen_otherwise = (known.columns(RESULTS.features)[row] for known in (dataset, other))
    assert np.array_equal(seen, seen_otherwise, equal_nan=True)
    seen, seen_otherwise = (known.columns(PRICES.features)[row] for known in (dataset, other))
    assert not np.array_equal(seen, seen_otherwise, equal_nan=True)


def test_every_forecast_is_one_distribution_that_agrees_with_its_probabilities(trained: TrainedModel) -> None:
    for block in trained.blocks:
        said = np.array([(f.outcome.home, f.outcome.draw, f.outcome.away) for f in block.forecasts])
        assert np.allclose(said, block.probabilities, atol=1e-9)
        assert np.allclose(said.sum(axis=1), 1, atol=1e-9)


def test_the_model_knows_more_than_the_base_rate_and_stands_beside_the_market(trained: TrainedModel) -> None:
    scores = {score.name: score for score in trained.evaluation.scores}
    assert scores["model"].log_loss < scores["base_rate"].log_loss
    assert scores["market"].games == scores["model"].games
    assert scores["market"].difference == pytest.approx(scores["model"].log_loss - scores["market"].log_loss)


@pytest.mark.slow
def test_training_on_the_same_data_three_times_gives_one_bundle(dataset: Dataset, tmp_path: Path) -> None:
    about = {
        "model": "EPL-results", "sport": "soccer", "league": "EPL", "variant": "results", "recipe": RESULTS.label,
        "fingerprint": RESULTS.of(dataset).features.fingerprint("soccer"), "snapshot_sha256": dataset.snapshot_sha256,
        "trained_until": "2024-05-20T00:00:00Z", "games": len(dataset),
    }  # fmt: skip
    rows = dataset.columns(RESULTS.of(dataset).features)[-5:]
    made = set()
    for run in range(3):
        fitted = fit_and_evaluate(RESULTS, dataset).fitted
        made.add(write_bundle(tmp_path, Signer(b"key %d" % run, "bundle"), fitted.spec, fitted.trees, rows, **about)[0])
    assert len(made) == 1


def test_a_two_way_league_with_ties_keeps_them_as_pushes() -> None:
    facts = invented_facts(2, games=400, quirks=False)
    dataset = dataset_of(NFL, facts)
    assert (dataset.outcomes == -1).sum() == (dataset.margins == 0).sum() > 0
    trained = fit_and_evaluate(RESULTS, dataset)
    forecast = trained.blocks[-1].forecasts[0]
    assert forecast.outcome.draw == pytest.approx(trained.fitted.spec.shape.tie_rate, abs=0.1)
    assert trained.evaluation.scores[0].games < sum(len(block.games) for block in trained.blocks)


def test_too_few_games_are_refused_with_their_number(sqlite_database, now) -> None:  # type: ignore[no-untyped-def]
    from training.datasets.assembly import load_dataset

    with pytest.raises(ServiceError, match="EPL has 0 finished games"):
        load_dataset(sqlite_database, EPL, now)


def test_margins_without_prices_still_evaluate() -> None:
    facts = invented_facts(4, games=300, quirks=False)
    dataset = dataset_of(NFL, FactBatch(facts.games, facts.results, []))
    blocks, _ = walk_forward(RESULTS, dataset, proving_blocks(dataset, 4))
    assert {score.name for score in evaluate(blocks).scores} == {"model", "base_rate", "elo"}


@pytest.mark.parametrize(
    ("text", "seasons"), [("2018", [2018]), ("2018-2020", [2018, 2019, 2020]), ("2016,2019-2020", [2016, 2019, 2020])]
)
def test_seasons_are_read_as_people_write_them(text: str, seasons: list[int]) -> None:
    assert parse_seasons(text) == seasons


@pytest.mark.parametrize("text", ["", "twenty", "2020-", "2020-2018", "-2018"])
def test_other_seasons_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="seasons"):
        parse_seasons(text)


def test_a_price_shown_after_the_start_is_no_yardstick(sample: FactBatch, dataset: Dataset) -> None:
    game = sample.games[-1]
    shown = next(quote for quote in sample.quotes if quote.game_id == game.game_id)
    during = shown._replace(
        known_at=game.start_at + timedelta(hours=1), quoted_at=game.start_at + timedelta(hours=1), odds_home=1.01
    )
    other = dataset_of(EPL, FactBatch(sample.games, sample.results, [*sample.quotes, during]))
    assert np.array_equal(dataset.closing, other.closing)

"""The pooling weight in a bundle is the one that the betting backtest would use."""

from dataclasses import replace

import numpy as np
import pytest

from core.betting.odds import choose_devig, devig
from core.betting.value import learn_shrinkage
from tests.training.evaluation.test_betting_backtest import NBA, traded_league
from training.datasets.assembly import Dataset, dataset_of
from training.datasets.betting_prices import prices_of
from training.datasets.splits import proving_blocks
from training.evaluation.pooling_weight import learn_pooling_weight
from training.evaluation.walk_forward import walk_forward
from training.fitting.recipe import RECIPES
from training.runs.trained_model import TrainedModel, fit_and_evaluate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return dataset_of(NBA, traded_league())


@pytest.fixture(scope="module")
def trained(dataset: Dataset) -> TrainedModel:
    return fit_and_evaluate(RECIPES["results"], dataset)


def test_a_trained_model_keeps_what_its_unseen_games_taught(dataset: Dataset, trained: TrainedModel) -> None:
    learnt = trained.fitted.spec.belief
    assert learnt is not None
    recipe = RECIPES["results"].of(dataset)
    blocks, _ = walk_forward(recipe, dataset, proving_blocks(dataset, recipe.proving_seasons))
    closing = prices_of(dataset, "close").odds
    rows = np.concatenate([np.flatnonzero(dataset.seasons == int(block.block)) for block in blocks])
    method = choose_devig(closing, dataset.outcomes)
    expected = learn_shrinkage(
        np.concatenate([block.probabilities for block in blocks]), devig(closing[rows], method), dataset.outcomes[rows]
    )
    assert (learnt.devig, learnt.games) == (method, expected.games)
    assert (learnt.weight, learnt.error) == pytest.approx((expected.weight, expected.error))
    assert learnt.weight < 0.5, "beside a price that knows the day's news"


def test_the_weight_is_part_of_the_bundles_spec(trained: TrainedModel) -> None:
    spec = trained.fitted.spec
    assert type(spec).model_validate_json(spec.model_dump_json()).belief == spec.belief
    assert "belief" in spec.model_dump(mode="json")


def test_without_priced_games_there_is_no_weight(dataset: Dataset, trained: TrainedModel) -> None:
    unpriced = replace(dataset, facts=replace(dataset.facts, quotes=[]))
    assert learn_pooling_weight(unpriced, trained.blocks, prices_of(unpriced, "close")) is None


def test_a_book_that_only_guesses_loses_weight_and_a_single_book_has_none(
    dataset: Dataset, trained: TrainedModel
) -> None:
    assert trained.fitted.spec.belief is not None
    assert trained.fitted.spec.belief.books == {}, "left out of the bundle"
    assert b"books" not in trained.fitted.spec.belief.model_dump_json().encode()
    guesses = [quote._replace(book="guesser", odds_home=1.9, odds_away=1.9) for quote in dataset.facts.quotes]
    two = replace(dataset, facts=replace(dataset.facts, quotes=[*dataset.facts.quotes, *guesses]))
    learnt = learn_pooling_weight(two, trained.blocks, prices_of(two, "close"))
    assert learnt is not None
    assert learnt.books["guesser"] < 0.9 < 1.1 < max(learnt.books.values())
    assert type(learnt).model_validate_json(learnt.model_dump_json()) == learnt

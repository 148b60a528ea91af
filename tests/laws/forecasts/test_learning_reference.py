"""What is learnt of a small fixed league, written down: learning code that gives other numbers without a raised version
fails by the number's name.

Features and recipes have versions of their own, so this league's rows are drawn and its recipe is written here.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.features.sets import EVERYTHING, feature_set
from tests.generated import invented_facts
from training.datasets.assembly import Dataset, dataset_of
from training.fitting import recipe as recipes
from training.fitting.recipe import LEARNING_VERSION, MARKET, RECIPES, Recipe
from training.runs.trained_model import fit_and_evaluate

LEAGUES = Leagues(BUILT_IN)
EPL, LALIGA, NFL = (LEAGUES.get(key) for key in ("EPL", "LALIGA", "NFL"))
SIGNAL = ("rating_gap", "form_gap", "margin_slow", "total_slow", "rest_gap")
REFERENCE_OF = 2
REFERENCE: dict[str, float] = {
    "own: home": 0.6539034474097281,
    "own: away": 0.19578424966377694,
    "own: margin": 1.1875288266792274,
    "own: total": 2.9942407496245247,
    "own: interval": 0.6412004363470075,
    "own: slope": 1.0815906252650662,
    "own: loss": 0.9420534192838281,
    "own: loss of elo": 0.9447587345121572,
    "priced: home": 0.2636915189334484,
    "priced: away": 0.4376327161887208,
    "priced: margin": -0.29293996305789216,
    "priced: total": 2.782693204089315,
    "priced: interval": 0.6806532998419408,
    "priced: slope": 1.0252441163180495,
    "priced: loss": 0.9994840128274108,
    "priced: loss of elo": 0.9447587345121572,
    "pooled: home": 0.33063290965419095,
    "pooled: away": 0.46413462666813765,
    "pooled: margin": -0.3172363106049171,
    "pooled: total": 2.640598430777069,
    "pooled: interval": 0.0,
    "pooled: slope": 1.0,
    "pooled: loss": 0.9914850731726521,
    "pooled: loss of elo": 1.090810497806224,
    "two ways: home": 0.23035651580988764,
    "two ways: away": 0.5546434841901123,
    "two ways: margin": -0.7043831359090156,
    "two ways: total": 3.030065285788943,
    "two ways: interval": 0.8253572353319187,
    "two ways: slope": 1.0,
    "two ways: loss": 0.5775905606207838,
    "two ways: loss of elo": 0.577506259281268,
    "elo: home": 0.36847490321703036,
    "elo: away": 0.3704146504961533,
    "elo: margin": -0.005110974565379456,
    "elo: total": 3.280216926367272,
    "elo: interval": 0.0,
    "elo: slope": 1.0,
    "elo: loss": 1.090810497806224,
    "elo: loss of elo": 1.090810497806224,
}


def drawn(dataset: Dataset, seed: int) -> Dataset:
    """Other rows and scores for the games: every feature by its name alone, and scores that follow two of them."""
    games = len(dataset)
    values = np.column_stack([np.random.default_rng([seed, *name.encode()]).normal(size=games) for name in NAMES])
    random = np.random.default_rng(seed)
    lean = 0.3 * values[:, NAMES.index("rating_gap")] + 0.2 * values[:, NAMES.index("market_log_odds")]
    home, away = random.poisson(1.5 * np.exp(lean)), random.poisson(1.2 * np.exp(-lean))
    return replace(dataset, values=values, home_scores=home.astype(float), away_scores=away.astype(float))


NAMES = EVERYTHING.names


def recipe(variant: str, anchor: tuple[str, ...]) -> Recipe:
    names = tuple(name for name in NAMES if name in (*SIGNAL, *anchor))
    return Recipe(
        name="reference", variant=variant, features=feature_set(variant, names), anchor=anchor,
        favoured=(*anchor, "margin_slow"), anchor_share=0.5, prior_games=100, regularisation=0.002, rounds=40,
        leaves=4, learning_rate=0.05, leaf_games=20, seed=7, proving_seasons=4,
    )  # fmt: skip


def league(kind: str) -> tuple[Dataset, Recipe]:
    results, prices = recipe("results", ("rating_gap",)), recipe("prices", MARKET)
    own = drawn(dataset_of(EPL, invented_facts(11, games=600, quirks=False)), 3)
    small = drawn(dataset_of(EPL, invented_facts(12, games=80, quirks=False)), 4)
    match kind:
        case "own":
            return own, results
        case "priced":
            return own, prices
        case "pooled":
            return replace(small, lenders=(replace(own, league=LALIGA),)), results
        case "two ways":
            return drawn(dataset_of(NFL, invented_facts(13, games=600, quirks=False)), 5), results
    return small, results


KINDS = ("own", "priced", "pooled", "two ways", "elo")


@cache
def learnt() -> dict[str, float]:
    """By kind and name: what the finished forecaster says of its league's last game, and how the walk there went."""
    found: dict[str, float] = {}
    for kind in KINDS:
        dataset, taken = league(kind)
        trained = fit_and_evaluate(taken, dataset)
        forecaster = trained.fitted.forecaster()
        row = dataset.columns(trained.recipe.features)[-1:]
        (forecast,) = forecaster.predict(row)
        numbers = {
            "home": forecast.outcome.home,
            "away": forecast.outcome.away,
            "margin": forecast.margin,
            "total": forecast.total,
            "interval": 0.0 if (band := trained.fitted.spec.band) is None else band.high[len(band.high) // 2],
            "slope": trained.fitted.spec.calibration.slope,
            "loss": trained.evaluation.scores[0].log_loss,
            "loss of elo": next(score.log_loss for score in trained.evaluation.scores if score.name == "elo"),
        }
        found |= {f"{kind}: {name}": float(value) for name, value in numbers.items()}
    return found


def test_the_numbers_are_those_of_the_version() -> None:
    assert REFERENCE_OF == LEARNING_VERSION, "the version was raised: write the new numbers down"


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_value(name: str) -> None:
    raised = "the learning code gives another number: raise LEARNING_VERSION in training/fitting/recipe.py"
    assert learnt()[name] == pytest.approx(REFERENCE[name], rel=1e-6, abs=1e-9), raised


def test_every_number_is_written_down() -> None:
    assert sorted(learnt()) == sorted(REFERENCE)


def test_a_raised_version_is_another_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = RECIPES["results"].label
    monkeypatch.setattr(recipes, "LEARNING_VERSION", LEARNING_VERSION + 1)
    assert RECIPES["results"].label != before

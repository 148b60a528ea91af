"""What the reference pipeline measured, and one league's forecasts measured in the same way."""

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core import scoring
from core.arrays import FloatArray
from core.betting.odds import devig
from training.datasets.assembly import Dataset
from training.datasets.betting_prices import prices_of
from training.datasets.splits import season_blocks
from training.evaluation.scores import Evaluation, evaluate
from training.evaluation.walk_forward import Forecasts, walk_forward
from training.fitting.recipe import Recipe
from training.fitting.tuning import tune_recipe
from training.runs.trained_model import fit_on_everything


@dataclass(frozen=True)
class Anchor:
    """What the reference pipeline, which is not part of the project, measured on the same seasons."""

    seasons: tuple[int, ...]
    elo: float
    past_odds: float
    with_price: float
    margin: float | None = None
    total: float | None = None


ANCHORS: Final = {
    "NFL": Anchor((2018, 2019, 2020), 0.6301, 0.6196, 0.6086, 10.26, 10.98),
    "NBA": Anchor((2017, 2018), 0.6164, 0.6106, 0.5942, 10.08, 14.89),
    "MLB": Anchor((2016, 2017), 0.6836, 0.6819, 0.6735),
    "NHL": Anchor((2016, 2017), 0.6723, 0.6690, 0.6695),
    "EPL": Anchor((2020, 2021), 0.9921, 0.9816, 0.9697),
    "LALIGA": Anchor((2020, 2021), 1.0040, 0.9961, 0.9859),
    "BUNDESLIGA": Anchor((2020, 2021), 1.0067, 0.9950, 0.9851),
}


@dataclass(frozen=True, eq=False)
class Measured:
    """One league and variant, small enough to be handed from one process to another."""

    league: str
    evaluation: Evaluation
    losses: Mapping[str, FloatArray]
    """Log loss of each decided game by the model and every yardstick; NaN where one says nothing."""
    weeks: NDArray[np.int64]
    seconds: float
    shares: tuple[float, ...]
    """Of the outcome's learners in the last forecaster: anchor or market, every feature, trees."""
    story: str
    """What became of the search for parameters."""


def measured(key: str, dataset: Dataset, recipe: Recipe) -> Measured:
    """Tune once, walk forward through the anchor's seasons, and fit the model of every game on what that proved."""
    began = time.monotonic()
    proof, asked = season_blocks(dataset, ANCHORS[key].seasons, recipe.proving_seasons)
    chosen = tune_recipe(recipe.of(dataset), dataset, [*proof, *asked])
    names = [block.name for block in asked]
    blocks, proofs = walk_forward(chosen.recipe, dataset, [*proof, *asked], asked=names)
    head = fit_on_everything(chosen.recipe, dataset, proofs[-recipe.proving_seasons :]).spec.outcome
    seconds = time.monotonic() - began
    losses, weeks = _losses(blocks)
    return Measured(key, evaluate(blocks), losses, weeks, seconds, (*head.weights, head.trees_weight), chosen.summary)


def _losses(blocks: Sequence[Forecasts]) -> tuple[dict[str, FloatArray], NDArray[np.int64]]:
    outcomes = np.concatenate([block.games.outcomes for block in blocks])
    decided = outcomes >= 0
    said = {
        "model": [block.probabilities for block in blocks],
        "Elo": [block.elo for block in blocks],
        "opening price": [block.games.opening for block in blocks],
        "market": [block.games.closing for block in blocks],
        "multiplicative": [devig(prices_of(block.games, "close").odds, "multiplicative") for block in blocks],
    }
    losses = {name: scoring.log_losses(np.concatenate(s)[decided], outcomes[decided]) for name, s in said.items()}
    return losses, scoring.weeks(np.concatenate([block.games.starts for block in blocks])[decided])


def peak_memory() -> float:
    """The most that this process has held so far [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

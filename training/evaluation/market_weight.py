"""How far a model's word counts beside the market's: learned on forecasts of games it had not seen."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.betting.odds import choose_devig, devig
from core.betting.value import learn_shrinkage
from core.registry.belief import Belief
from training.datasets.assembly import Dataset
from training.datasets.betting_prices import offers_of
from training.datasets.consensus_prices import Offers
from training.evaluation.walk_forward import Forecasts
from training.fitting.fit import FEWEST_PROOFS, Fitted


def believing(fitted: Fitted, dataset: Dataset, blocks: Sequence[Forecasts]) -> Fitted:
    """The forecaster with its belief, from what earlier ones forecast and the closing prices of the same games."""
    belief = learnt_belief(dataset, blocks, offers_of(dataset, "close"))
    return replace(fitted, spec=fitted.spec.model_copy(update={"belief": belief}))


def learnt_belief(dataset: Dataset, blocks: Sequence[Forecasts], offers: Offers) -> Belief | None:
    """The de-vig method from every priced game, the weight from those forecast; None where those are too few."""
    place = {game_id: row for row, game_id in enumerate(dataset.game_ids)}
    rows = [place[game_id] for block in blocks for game_id in block.games.game_ids]
    outcomes, odds = dataset.outcomes[rows], offers.odds[rows]
    if (~np.isnan(odds).any(axis=1) & (outcomes >= 0)).sum() < FEWEST_PROOFS:
        return None
    method = choose_devig(offers.odds, dataset.outcomes)
    model = np.concatenate([block.probabilities for block in blocks])
    learnt = learn_shrinkage(model, devig(odds, method), outcomes)
    return Belief(devig=method, weight=learnt.weight, error=learnt.error, games=learnt.games)

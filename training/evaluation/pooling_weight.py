"""The weight of a model's probabilities beside the market's, learned on forecasts of games it had not seen."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.betting.odds import choose_devig, devig
from core.betting.value import learn_shrinkage
from core.registry.pooling_weight import PoolingWeight
from training.datasets.assembly import Dataset
from training.datasets.betting_prices import prices_of
from training.datasets.consensus_prices import BettingPrices
from training.evaluation.walk_forward import Forecasts
from training.fitting.fit import FEWEST_PROOFS, Fitted


def with_pooling_weight(fitted: Fitted, dataset: Dataset, blocks: Sequence[Forecasts]) -> Fitted:
    """The forecaster with its pooling weight, from earlier forecasts and the closing prices of the same games."""
    weight = learn_pooling_weight(dataset, blocks, prices_of(dataset, "close"))
    return replace(fitted, spec=fitted.spec.model_copy(update={"belief": weight}))


def learn_pooling_weight(dataset: Dataset, blocks: Sequence[Forecasts], prices: BettingPrices) -> PoolingWeight | None:
    """The de-vig method from every priced game, the weight from the forecast ones; None if those are too few."""
    place = {game_id: row for row, game_id in enumerate(dataset.game_ids)}
    rows = [place[game_id] for block in blocks for game_id in block.games.game_ids]
    outcomes, odds = dataset.outcomes[rows], prices.odds[rows]
    if (~np.isnan(odds).any(axis=1) & (outcomes >= 0)).sum() < FEWEST_PROOFS:
        return None
    method = choose_devig(prices.odds, dataset.outcomes)
    model = np.concatenate([block.probabilities for block in blocks])
    learnt = learn_shrinkage(model, devig(odds, method), outcomes)
    return PoolingWeight(devig=method, weight=learnt.weight, error=learnt.error, games=learnt.games)

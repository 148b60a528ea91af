"""The weight of a model's probabilities beside the market's, learned on forecasts of games it had not seen."""

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter

import numpy as np

from core.arrays import FloatArray
from core.betting.books.weights import learn_weights
from core.betting.odds import choose_devig, devig
from core.betting.value import learn_shrinkage
from core.registry.pooling_weight import PoolingWeight
from feature_store.history.consensus_prices import BettingPrices
from training.datasets.assembly import Dataset
from training.datasets.betting_prices import prices_of
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
    books = learn_weights(chances_by_book(dataset), dataset.outcomes)
    return PoolingWeight(devig=method, weight=learnt.weight, error=learnt.error, games=learnt.games, books=books)


def chances_by_book(dataset: Dataset) -> dict[str, FloatArray]:
    """Each book's probabilities at the close without overround, shape (games, outcomes); NaN without a price.

    The last quote counts that was known and shown by the start, other than an opening price.
    """
    place = {game_id: row for row, game_id in enumerate(dataset.game_ids)}
    outcomes = dataset.league.outcomes
    odds: dict[str, FloatArray] = {}
    for quote in sorted(dataset.facts.quotes, key=attrgetter("known_at")):
        row = place.get(quote.game_id)
        three_way = (quote.odds_home, quote.odds_draw, quote.odds_away)
        shown = three_way if outcomes == 3 else three_way[::2]
        if row is None or quote.moment == "open" or None in shown:
            continue
        if max(quote.known_at, quote.quoted_at).timestamp() <= dataset.starts[row]:
            odds.setdefault(quote.book, np.full((len(dataset), outcomes), np.nan))[row] = shown
    return {book: devig(own, "multiplicative") for book, own in odds.items()}

"""Betting at a dataset's prices without look-ahead: no feature may know anything later than the price that is bet at.

A model that sees the closing price and bets at the opening one shows a profit that no bookmaker would pay.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import DataIntegrityError
from feature_store.features.sets import EVERYTHING, FeatureSet
from feature_store.history.consensus_prices import BettingPrices, Moment, consensus_prices
from feature_store.history.fact_columns import columns_of
from feature_store.rows.replay import past_table
from training.datasets.assembly import Dataset

TOLERANCE: Final = 1e-9


def prices_of(dataset: Dataset, moment: Moment) -> BettingPrices:
    """The consensus price of each game of a dataset, in its order."""
    return consensus_prices(dataset.league, dataset.facts.quotes, dataset.game_ids, dataset.starts, moment)


def as_of_prices(dataset: Dataset, prices: BettingPrices) -> Dataset:
    """The dataset with each game's features as of the moment of its price, or as of its start without one."""
    moments = zip(dataset.game_ids, np.fmin(prices.known_at, dataset.starts).tolist(), strict=True)
    table = past_table(dataset.league, columns_of(dataset.facts), EVERYTHING, dict(moments))
    place = {table.facts.versions[version].game_id: row for row, version in enumerate(table.version.tolist())}
    return replace(dataset, values=table.values[[place[game_id] for game_id in dataset.game_ids]])


def as_of_opening(dataset: Dataset) -> Dataset:
    """The dataset and its lenders with every game's features as of its opening price."""
    lenders = tuple(as_of_prices(lender, prices_of(lender, "open")) for lender in dataset.lenders)
    return replace(as_of_prices(dataset, prices_of(dataset, "open")), lenders=lenders)


def refuse_look_ahead(dataset: Dataset, features: FeatureSet, prices: BettingPrices) -> None:
    """Refuse features that know anything later than the price that is bet at.

    Every feature is computed again from what was known at the moment of the game's price, and must not differ. Raises
    DataIntegrityError naming the feature that differs in most games, the price, and one such game.
    """
    then = as_of_prices(dataset, prices).columns(features)
    differs = ~np.isclose(dataset.columns(features), then, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    differs &= prices.available[:, None]
    games = differs.sum(axis=0)
    if not games.any():
        return
    worst = int(games.argmax())
    game = dataset.game_ids[int(differs[:, worst].argmax())]
    others = _others(features, games, worst)
    raise DataIntegrityError(
        f"Feature {features.names[worst]} knows what came after the {_name(prices)} it would be bet at: in "
        f"{games[worst]:,} of {prices.available.sum():,} games, {game} the first; so do {others}.",
        hint=f"Take features as of the {_name(prices)}, or bet at a later price.",
        feature=features.names[worst],
        price=prices.moment,
        game=game,
        games=int(games[worst]),
    )


def _name(prices: BettingPrices) -> str:
    return {"open": "opening price", "close": "closing price"}[prices.moment]


def _others(features: FeatureSet, games: Sequence[int] | NDArray[np.int64], worst: int) -> str:
    names = [name for place, name in enumerate(features.names) if games[place] and place != worst]
    return ", ".join(names) if names else "no others"

"""Prices one could have bet at, each with the moment it was known; no forecast may know anything later than it.

A model that saw the closing price and bets at the opening one "earns" a fortune that no bookmaker would pay.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import DataIntegrityError
from feature_store.features.sets import EVERYTHING, FeatureSet
from feature_store.history.fact_columns import columns_of
from feature_store.rows.replay import past_table
from training.datasets.assembly import Dataset
from training.datasets.consensus_prices import Moment, Offers, offered

TOLERANCE: Final = 1e-9


def offers_of(dataset: Dataset, moment: Moment) -> Offers:
    """What the books offered on each game of a dataset, in its order."""
    return offered(dataset.league, dataset.facts.quotes, dataset.game_ids, dataset.starts, moment)


def as_of_offers(dataset: Dataset, offers: Offers) -> Dataset:
    """The dataset with each game's features as they stood when its offer was made, or at its start without one."""
    moments = zip(dataset.game_ids, np.fmin(offers.known_at, dataset.starts).tolist(), strict=True)
    table = past_table(dataset.league, columns_of(dataset.facts), EVERYTHING, dict(moments))
    place = {table.facts.versions[version].game_id: row for row, version in enumerate(table.version.tolist())}
    return replace(dataset, values=table.values[[place[game_id] for game_id in dataset.game_ids]])


def as_of_opening(dataset: Dataset) -> Dataset:
    """The dataset, and the leagues it borrows from, with every game's features as of its opening price."""
    lenders = tuple(as_of_offers(lender, offers_of(lender, "open")) for lender in dataset.lenders)
    return replace(as_of_offers(dataset, offers_of(dataset, "open")), lenders=lenders)


def refuse_look_ahead(dataset: Dataset, features: FeatureSet, offers: Offers) -> None:
    """Make sure that no feature of the dataset knows anything later than the price it is bet at.

    Every feature is computed again from what was known at the moment of the game's offer, and must not differ.
    Raises DataIntegrityError naming the feature that differs in most games, the price, and one such game.
    """
    then = as_of_offers(dataset, offers).columns(features)
    differs = ~np.isclose(dataset.columns(features), then, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    differs &= offers.there[:, None]
    games = differs.sum(axis=0)
    if not games.any():
        return
    worst = int(games.argmax())
    game = dataset.game_ids[int(differs[:, worst].argmax())]
    raise DataIntegrityError(
        f"Feature {features.names[worst]} knows what came after the {_name(offers)} it would be bet at: in "
        f"{games[worst]:,} of {offers.there.sum():,} games, {game} the first; so do {_others(features, games, worst)}.",
        hint=f"Take features as of the {_name(offers)}, or bet at a later price.",
        feature=features.names[worst],
        price=offers.moment,
        game=game,
        games=int(games[worst]),
    )


def _name(offers: Offers) -> str:
    return {"open": "opening price", "close": "closing price"}[offers.moment]


def _others(features: FeatureSet, games: Sequence[int] | NDArray[np.int64], worst: int) -> str:
    names = [name for place, name in enumerate(features.names) if games[place] and place != worst]
    return ", ".join(names) if names else "no others"

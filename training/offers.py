"""Prices one could have bet at, each with the moment it was known; no forecast may know anything later than it.

A model that saw the closing price and bets at the opening one "earns" a fortune that no bookmaker would pay.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from core.betting.odds import FloatArray
from core.errors import DataIntegrityError
from feature_store.columns import columns_of, seconds
from feature_store.facts import Quote
from feature_store.features import EVERYTHING, FeatureSet
from feature_store.replay import past_table
from training.dataset import Dataset

Moment = Literal["open", "close"]
SIDES: Final = ("odds_home", "odds_draw", "odds_away")
TOLERANCE: Final = 1e-9


@dataclass(frozen=True, eq=False)
class Offers:
    """One price per game of a dataset, in its order."""

    moment: Moment
    odds: FloatArray
    """Decimal, shape (games, classes); NaN where nobody offered that."""
    known_at: FloatArray
    """Seconds since 1970; NaN where there was no offer."""

    @property
    def there(self) -> NDArray[np.bool_]:
        """Games that could be bet on."""
        return np.asarray(~np.isnan(self.odds).any(axis=1))


def offers_of(dataset: Dataset, moment: Moment) -> Offers:
    """Each game's first price of all (open), or its last before the start (close)."""
    starts = dict(zip(dataset.game_ids, dataset.starts.tolist(), strict=True))
    sides = SIDES if dataset.league.outcomes == 3 else SIDES[::2]
    chosen: dict[str, Quote] = {}
    for quote in sorted(dataset.facts.quotes, key=lambda quote: quote.known_at, reverse=moment == "open"):
        offered = all(getattr(quote, side) for side in sides) and (quote.moment == "open") == (moment == "open")
        if offered and seconds(quote.quoted_at) <= starts.get(quote.game_id, -np.inf):
            chosen[quote.game_id] = quote
    odds = np.full((len(dataset), len(sides)), np.nan)
    known_at = np.full(len(dataset), np.nan)
    for place, game_id in enumerate(dataset.game_ids):
        if (taken := chosen.get(game_id)) is not None:
            odds[place] = [getattr(taken, side) for side in sides]
            known_at[place] = seconds(taken.known_at)
    return Offers(moment, odds, known_at)


def as_of_offers(dataset: Dataset, offers: Offers) -> Dataset:
    """The dataset with each game's features as they stood when its offer was made, or at its start without one."""
    moments = zip(dataset.game_ids, np.fmin(offers.known_at, dataset.starts).tolist(), strict=True)
    table = past_table(dataset.league, columns_of(dataset.facts), EVERYTHING, dict(moments))
    place = {table.facts.versions[version].game_id: row for row, version in enumerate(table.version.tolist())}
    return replace(dataset, values=table.values[[place[game_id] for game_id in dataset.game_ids]])


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

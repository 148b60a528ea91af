"""A feature row: one game's values as of a moment."""

from datetime import datetime
from typing import NamedTuple

from feature_store.archive.facts import GameFact
from feature_store.history.prices import Prices


class Row(NamedTuple):
    """One game's features as of a moment, with what identifies it and the prices known then."""

    game: GameFact
    as_of: datetime
    values: tuple[float, ...]
    prices: Prices | None

"""What a feature may see: the situation before a game, in columns with one entry per game."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, cast

import numpy as np

from core.arrays import FloatArray
from feature_store.history.fact_columns import Flags
from feature_store.history.prices import PriceColumns
from feature_store.history.ratings import Rules


@dataclass(frozen=True, eq=False)
class Fixtures:
    """What is known of games before they begin; no score."""

    start: FloatArray
    """Seconds since 1970."""
    season: FloatArray
    """The year in which it began."""
    neutral: Flags
    playoff: Flags


class StateColumns(Protocol):
    """Records of a league or of teams, a column per field of ``LEAGUE`` or ``TEAM``."""

    def __getattr__(self, field: str) -> FloatArray:
        """The column."""
        ...


def as_columns(kind: np.dtype[Any], fields: FloatArray) -> StateColumns:
    """An array with a row for each field of ``LEAGUE`` or ``TEAM``, as columns by name."""
    return cast("StateColumns", SimpleNamespace(**dict(zip(kind.names or (), fields, strict=True))))


@dataclass(frozen=True, eq=False)
class Situation:
    """All that a feature may see: teams and league before the games, the games, and the prices known by then.

    Every field is a column with one entry per game: ``now.home.rating`` are the ratings of all home sides.
    """

    league: StateColumns
    home: StateColumns
    away: StateColumns
    game: Fixtures
    prices: PriceColumns
    opening: PriceColumns
    """First prices of the books that have quoted several times by then."""
    moved_to: PriceColumns
    """Latest prices of the same books."""
    rules: Rules
    """The sport's."""

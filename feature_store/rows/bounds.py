"""Whether a row may be served: the bounds beyond which training refuses a feature hold for the rows to come, too."""

from collections.abc import Sequence
from math import isnan

from feature_store.features.sets import EVERYTHING
from feature_store.rows.row import Row


def why_not_served(values: Sequence[float]) -> str:
    """The first feature that cannot be meant, with its value and its bounds; empty if all can."""
    for item, value in zip(EVERYTHING.features, values, strict=True):
        if isnan(value):
            if not item.may_be_missing:
                return f"{item.name} is not known, and must be"
        elif not item.bounds.low <= value <= item.bounds.high:
            return f"{item.name} is {value:g}, outside {item.bounds.low:g} to {item.bounds.high:g}"
    return ""


def parted(rows: Sequence[Row]) -> tuple[list[Row], dict[str, str]]:
    """The rows that may be served, and of the others the reason by game id."""
    reasons = {row.game.game_id: reason for row in rows if (reason := why_not_served(row.values))}
    return [row for row in rows if row.game.game_id not in reasons], reasons

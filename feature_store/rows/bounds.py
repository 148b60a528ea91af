"""Which rows may be served: the bounds outside of which training refuses a feature apply to coming games, too."""

from collections.abc import Sequence
from math import isnan

from feature_store.features.sets import EVERYTHING
from feature_store.rows.row import Row


def reason_not_served(values: Sequence[float]) -> str:
    """The first feature outside its bounds, with its value; empty if there is none."""
    for item, value in zip(EVERYTHING.features, values, strict=True):
        if isnan(value):
            if not item.may_be_missing:
                return f"{item.name} is missing, but required"
        elif not item.bounds.low <= value <= item.bounds.high:
            return f"{item.name} is {value:g}, outside {item.bounds.low:g} to {item.bounds.high:g}"
    return ""


def split_servable(rows: Sequence[Row]) -> tuple[list[Row], dict[str, str]]:
    """The rows that may be served, and for the others the reason by game id."""
    reasons = {row.game.game_id: reason for row in rows if (reason := reason_not_served(row.values))}
    return [row for row in rows if row.game.game_id not in reasons], reasons

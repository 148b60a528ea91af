"""The row and the model of a prediction, and the bodies of many predictions at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from core.errors import DbsbmError
from core.registry.forecaster import Forecast
from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion
from serving.games.slate import GameKey, key_of
from serving.predictions.body import BodyEncoder, cache_key, has_begun


class ForecastPlan(NamedTuple):
    """A prediction that is to be looked up or computed."""

    champion: Champion
    row: OnlineRow
    begun: bool
    key: str
    """Cache key of the body."""

    @classmethod
    def of(cls, champion: Champion, row: OnlineRow, now: datetime) -> "ForecastPlan":
        """Return the plan for the row's game by this model at this moment."""
        begun = has_begun(row, now)
        return cls(champion, row, begun, cache_key(champion, row, begun=begun))

    @property
    def game(self) -> GameKey:
        return key_of(self.row)


def make_bodies(plans: Sequence[ForecastPlan], *, explained: bool = False) -> list[bytes | DbsbmError]:
    """Make the bodies of many predictions, in order; drafts unless ``explained``. An error replaces its body alone.

    The bytes are the same as for each plan by itself, at a fraction of the cost: a model forecasts all its rows in one
    pass. Errors are those of ``Champion.forecast`` and ``BodyEncoder.encode``.
    """
    bodies: list[bytes | DbsbmError] = [b""] * len(plans)
    by_champion: dict[int, list[int]] = {}
    for place, plan in enumerate(plans):
        by_champion.setdefault(id(plan.champion), []).append(place)
    for places in by_champion.values():
        forecasts = _forecast([plans[place] for place in places])
        encoder = BodyEncoder(plans[places[0]].champion)
        for place, forecast in zip(places, forecasts, strict=True):
            bodies[place] = _body(encoder, plans[place], forecast, explained=explained)
    return bodies


def make_body(plan: ForecastPlan, *, explained: bool) -> bytes:
    """Make the body of one prediction. Raises its error."""
    (body,) = make_bodies([plan], explained=explained)
    if isinstance(body, DbsbmError):
        raise body
    return body


def _forecast(plans: Sequence[ForecastPlan]) -> Sequence[Forecast | DbsbmError]:
    """Return the forecasts of plans of one champion."""
    try:
        return plans[0].champion.forecasts([plan.row for plan in plans])
    except DbsbmError as error:
        if len(plans) == 1:
            return [error]
        return [forecast for plan in plans for forecast in _forecast([plan])]


def _body(
    encoder: BodyEncoder, plan: ForecastPlan, forecast: Forecast | DbsbmError, *, explained: bool
) -> bytes | DbsbmError:
    if isinstance(forecast, DbsbmError):
        return forecast
    try:
        return encoder.encode(plan.row, forecast, begun=plan.begun, explained=explained)
    except DbsbmError as error:
        return error

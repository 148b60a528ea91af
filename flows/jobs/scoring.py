"""Forecasts made before anybody asks for them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from core.clock import FixedClock
from core.settings import Settings
from flows.jobs.databases import our_database


def score_upcoming(settings: Settings, now: datetime, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Write the forecasts of the leagues' games to come into the shared cache, under the keys that the server reads."""
    from serving.predictions.ahead import precompute

    with our_database(settings):
        return asdict(precompute.score_upcoming(settings, FixedClock(now), list(names) if names else None))

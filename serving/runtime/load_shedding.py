"""What is given up first when there is more to do than time: shadows, then batches, then what is not at hand.

The measure is how late the event loop wakes: whatever keeps the processor busy shows there.
(Callers beyond their limits are refused before any of it: serving/access/admission.py.)
"""

import asyncio
import time
from typing import Final, Literal

from core.errors import ServiceError
from serving.telemetry.metrics import Metrics

LOOK_SECONDS: Final = 0.05
REMEMBERED: Final = 0.8
"""Share of the old lateness in the new. A single pause does not count; from the second look in a row that comes late
on, each counts for all the looks that it cost, or else the latest loop would notice last."""

LATENESS: Final = (0.05, 0.15, 0.5)
"""Seconds of lateness from which shadows, batches and single answers that are not at hand are given up."""

Kind = Literal["shadow", "batch", "single"]
SHED_FROM: Final[dict[Kind, int]] = {"shadow": 1, "batch": 2, "single": 3}


class OverloadedError(ServiceError):
    """Not now: there is more to do than time."""


class LoadShedding:
    """Belongs to one event loop. ``level`` is 0 when calm, 3 when only answers at hand are given."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lateness = self._before = 0.0
        self.level = 0

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            self.observe(max(0.0, time.monotonic() - due))

    def observe(self, lateness: float) -> None:
        """Enter how late the loop was [seconds]."""
        looks_missed = min(lateness, self._before) / LOOK_SECONDS
        remembered: float = REMEMBERED ** (1 + looks_missed)
        self._before = lateness
        self._lateness = remembered * self._lateness + (1 - remembered) * lateness
        self.level = sum(self._lateness > limit for limit in LATENESS)

    def sheds(self, kind: Kind) -> bool:
        """Whether this kind of work is not done now."""
        return self.level >= SHED_FROM[kind]

    def check(self, kind: Kind) -> None:
        """Raises OverloadedError for a kind of work that is not done now."""
        if self.sheds(kind):
            self._metrics.shed.labels(kind).inc()
            raise OverloadedError("The service has more to do than time.", hint="Ask again as Retry-After says.")

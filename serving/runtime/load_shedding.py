"""Load shedding: under load, shadow forecasts are dropped first, then batches, then requests that are not cached.

Load is measured as the delay with which the event loop wakes up, which shows whatever keeps the processor busy.
(Callers over their rate limits are refused before that: serving/access/admission.py.)
"""

import asyncio
import time
from typing import Final, Literal

from core.errors import ServiceError
from serving.telemetry.metrics import Metrics

INTERVAL_SECONDS: Final = 0.05
DECAY: Final = 0.8
"""Weight of the old average delay in the new one. A single pause has little effect. From the second late measurement in
a row on, each counts for all the measurements that its delay replaced; otherwise the slowest loop would notice last."""

DELAY_LIMITS: Final = (0.05, 0.15, 0.5)
"""Average delays above which shadows, batches and single requests that are not cached are refused [seconds]."""

Kind = Literal["shadow", "batch", "single"]
SHED_FROM: Final[dict[Kind, int]] = {"shadow": 1, "batch": 2, "single": 3}


class OverloadedError(ServiceError):
    """The service is overloaded and refuses this kind of work for now."""


class LoadShedding:
    """Decides which work is refused. ``level`` is 0 without load, 3 when only cached answers are given.

    Belongs to one event loop.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._average_delay = self._last_delay = 0.0
        self.level = 0

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + INTERVAL_SECONDS
            await asyncio.sleep(INTERVAL_SECONDS)
            self.observe(max(0.0, time.monotonic() - due))

    def observe(self, delay: float) -> None:
        """Record how late the event loop woke up [seconds]."""
        missed = min(delay, self._last_delay) / INTERVAL_SECONDS
        decay: float = DECAY ** (1 + missed)
        self._last_delay = delay
        self._average_delay = decay * self._average_delay + (1 - decay) * delay
        self.level = sum(self._average_delay > limit for limit in DELAY_LIMITS)

    def sheds(self, kind: Kind) -> bool:
        """Whether this kind of work is refused now."""
        return self.level >= SHED_FROM[kind]

    def check(self, kind: Kind) -> None:
        """Raise OverloadedError if this kind of work is refused now."""
        if self.sheds(kind):
            self._metrics.shed.labels(kind).inc()
            raise OverloadedError("The service is overloaded.", hint="Try again after the time given in Retry-After.")

"""How often a name may ask: a limit per minute that all processes share through Redis, without asking it each time.

Minutes are those of the wall clock, and the count of a name in a minute is one number in Redis (the storage is
``limits``'s). A process takes a few requests at a time out of it and spends them from memory: an eighth of its fair
share of what is left, so that the portions shrink as the limit comes near. What holds:

- with Redis, all processes together let pass at most the limit per minute, exactly; as the portions still in the hands
  of others, or of those that were killed, are lost to that minute, a caller may be refused early by an eighth of the
  limit
- without Redis each process lets pass ``limit / sharers``
- in the minute in which Redis goes, each adds at most a quarter of that to what it had, so that all together stay below
  1.25 times the limit; what was let pass without Redis is entered when it is back
- where Redis has forgotten the minute's counts meanwhile (another process of it answers, or a count is lower than it
  was), nobody knows them any more: each process enters what it knows of, and grants nothing until the minute ends but
  what is left of that quarter
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import RateLimitError
from serving.access.redis_counters import WINDOW_SECONDS, RedisCounters
from serving.backends.circuit_breaker import BreakerState
from serving.telemetry.caller import RateLimitStatus
from serving.telemetry.metrics import Metrics

MOST_NAMES: Final = 50_000
"""Names counted one by one per minute; those that come after share one count."""

OTHERS: Final = "others"
PORTIONS: Final = 8
"""A process takes this part of its fair share of what is left."""

OUTAGE_SHARE: Final = 4
"""In the minute in which Redis goes, a process lets this part of its share pass."""


@dataclass(slots=True)
class Budget:
    """What this process knows of one name in the minute under way."""

    limit: int
    in_hand: int = 0
    """Granted, not used yet."""
    counted: int = 0
    """Everybody's grants, when Redis was last asked."""
    alone: int = 0
    """Granted by ourselves while Redis was away."""
    owed: int = 0
    """Of those, what Redis was not told yet."""
    forgotten: bool = False
    """Whether Redis has lost the count of this minute."""
    waiting: int = 0
    asking: asyncio.Task[bool] | None = None

    @property
    def remaining(self) -> int:
        """What is left of the limit, as far as is known here."""
        return max(0, self.limit - self.counted - self.owed) + self.in_hand


class RateLimiter:
    """Lets names pass until their limit is used up. Belongs to one event loop.

    ``sharers`` is how many processes serve the same callers. ``timer`` is the machine's time [seconds]: minutes must
    be the same ones in every process, and pass even where the service shows the past.
    """

    def __init__(
        self,
        shared: RedisCounters | None,
        metrics: Metrics,
        *,
        sharers: int = 1,
        timer: Callable[[], float] = time.time,
    ) -> None:
        self._shared = shared
        self._metrics = metrics
        self._sharers = sharers
        self._timer = timer
        self._window = -1
        self._away_since: int | None = None
        self._successions = 0
        self._lost_in: int | None = None
        """The minute whose counts went with an earlier process of Redis."""
        self._budgets: dict[str, Budget] = {}

    @property
    def breaker_state(self) -> BreakerState:
        """How the connections to Redis are; closed where there is none to fail."""
        return "closed" if self._shared is None else self._shared.breaker.state

    async def open(self) -> None:
        """Make Redis's acquaintance: only who knew the process before notices that another one answers."""
        if self._shared is not None:
            await self._shared.add("opened", self._turned(self._timer()), 0)

    async def take(self, name: str, limit: int) -> RateLimitStatus:
        """Let one request of the name pass. Raises RateLimitError, saying when its next minute begins.

        Waits for nobody while there is something in hand or nothing left.
        """
        now = self._timer()
        window = self._turned(now)
        budget = self._budgets.get(name)
        if budget is None:
            budget = self._opened(name, limit)
        while not budget.in_hand:
            if budget.counted >= limit or not await self._refilled(name, budget, window):
                self._metrics.limited.labels(name.partition("/")[0]).inc()
                raise RateLimitError(
                    f"More than {limit} requests in a minute.",
                    hint="Wait as long as Retry-After says.",
                    retry_after=_seconds_left(now),
                    limit=limit,
                )
        budget.in_hand -= 1
        return RateLimitStatus(limit, budget.remaining, _seconds_left(now))

    def take_granted(self, names: Sequence[tuple[str, int]]) -> RateLimitStatus | None:
        """Let one request of all these names, each with its limit, pass: the tightest standing.

        None, and nothing taken, unless each has something in hand.
        """
        now = self._timer()
        window = self._turned(now)
        budgets = []
        for name, limit in names:
            budget = self._budgets.get(name)
            if self._shared is None:
                budget = budget or self._opened(name, limit)
                if not budget.in_hand:
                    self._refill_alone(budget, window)
            if budget is None or not budget.in_hand:
                return None
            budgets.append(budget)
        for budget in budgets:
            budget.in_hand -= 1
        tightest = budgets[0] if len(budgets) == 1 else min(budgets, key=lambda budget: budget.remaining)
        return RateLimitStatus(tightest.limit, tightest.remaining, _seconds_left(now))

    def _turned(self, now: float) -> int:
        """The minute under way; with a new one everything begins anew."""
        window = int(now // WINDOW_SECONDS)
        if window != self._window:
            self._window, self._budgets = window, {}
        return window

    async def close(self) -> None:
        """Give the connections back."""
        if self._shared is not None:
            await self._shared.close()

    def _opened(self, name: str, limit: int) -> Budget:
        kept = name if len(self._budgets) < MOST_NAMES else f"{name.partition('/')[0]}/{OTHERS}"
        return self._budgets.setdefault(kept, Budget(limit))

    async def _refilled(self, name: str, budget: Budget, window: int) -> bool:
        """Whether there is something in hand again; however many wait, Redis is asked once."""
        if self._shared is None:
            return self._refill_alone(budget, window)
        budget.waiting += 1
        try:
            if budget.asking is None:
                budget.asking = asyncio.create_task(self._asked(self._shared, name, budget, window))
            return await asyncio.shield(budget.asking)
        finally:
            budget.waiting -= 1

    async def _asked(self, shared: RedisCounters, name: str, budget: Budget, window: int) -> bool:
        try:
            return await self._refill(shared, name, budget, window)
        finally:
            # Here, not in a callback that runs later: waiting for what is done already gives nobody else a turn.
            budget.asking = None

    async def _refill(self, shared: RedisCounters, name: str, budget: Budget, window: int) -> bool:
        owed, before = budget.owed, budget.counted
        portion = max(1, budget.waiting, (budget.limit - before) // (PORTIONS * self._sharers))
        wanted = 0 if budget.forgotten else portion
        count = await shared.add(name, window, owed + wanted)
        budget.forgotten |= self._lost(shared, window)
        if count is not None and count < before + owed + wanted:
            budget.forgotten = True
            count = await shared.add(name, window, before + owed - count)
        if count is None:
            if self._away_since is None:
                self._away_since = window
            return self._refill_alone(budget, window)
        self._away_since = None
        budget.counted, budget.owed = count, 0
        if budget.forgotten:
            return self._refill_alone(budget, window)
        budget.in_hand += max(0, wanted - max(0, count - budget.limit))
        return budget.in_hand > 0

    def _lost(self, shared: RedisCounters, window: int) -> bool:
        """Whether the counts of this minute went with an earlier process of Redis."""
        if shared.successions > self._successions:
            self._successions, self._lost_in = shared.successions, window
        return self._lost_in == window

    def _refill_alone(self, budget: Budget, window: int) -> bool:
        part = OUTAGE_SHARE if budget.forgotten or self._away_since == window else 1
        share = budget.limit // (self._sharers * part)
        if budget.alone >= (share if part > 1 else min(budget.limit, max(1, share))):
            return False
        budget.alone += 1
        budget.owed += 1
        budget.in_hand += 1
        self._metrics.limited_alone.inc()
        return True


def _seconds_left(now: float) -> int:
    """Until the minute under way ends, rounded up."""
    return math.ceil(WINDOW_SECONDS - now % WINDOW_SECONDS)

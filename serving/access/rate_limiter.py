"""Rate limits per minute that all processes share through Redis, without asking it for each request.

Minutes are those of the wall clock, and the count of a name in a minute is one number in Redis (the storage is
``limits``'s). A process reserves a few requests at a time and spends them from memory: an eighth of its fair share of
what is left, so that the portions shrink as the count approaches the limit. Guarantees:

- With Redis, all processes together admit at most the limit per minute, exactly. Portions that other processes have
  reserved but not used are lost to that minute, so a caller may be refused early, by an eighth of the limit at most.
- Without Redis, each process admits ``limit / sharers``.
- In the minute in which Redis fails, each process admits at most a quarter of that in addition to what it had reserved,
  so that all together stay below 1.25 times the limit. What was admitted without Redis is added to the count once Redis
  is back.
- A value in Redis that is no count costs its own name only: each process admits that name from its own share.
- If Redis has lost the minute's counts meanwhile (its process was replaced, or a count is lower than it was), each
  process adds its own part again, and until the minute ends grants only what is left of that quarter.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import RateLimitError
from core.logs import get_logger
from serving.access.redis_counters import WINDOW_SECONDS, DamagedCounterError, RedisCounters
from serving.backends.circuit_breaker import BreakerState
from serving.telemetry.caller import RateLimitStatus
from serving.telemetry.metrics import Metrics

MAX_NAMES: Final = 50_000
"""Names of one kind (keys, guilds, addresses with wrong keys) that are counted separately in a minute; later ones of
the kind share one count. Strangers choose their addresses, so these never take a place from keys and guilds."""

OTHERS: Final = "others"
PORTIONS: Final = 8
"""A process reserves this fraction (one eighth) of its fair share of what is left."""

OUTAGE_SHARE: Final = 4
"""In the minute in which Redis fails, a process admits this fraction (a quarter) of its share."""

log = get_logger(__name__)


@dataclass(slots=True)
class RequestBudget:
    """What this process knows of one name in the current minute."""

    limit: int
    reserved: int = 0
    """Requests granted and not used yet."""
    shared_count: int = 0
    """Requests granted to all processes, when Redis was last asked."""
    local_count: int = 0
    """Requests that this process granted while Redis was unavailable."""
    unreported: int = 0
    """Those of ``local_count`` that are not added to the count in Redis yet."""
    is_count_lost: bool = False
    """Whether Redis has lost the count of this minute."""
    is_damaged: bool = False
    """Whether what Redis holds under the name is no count, so that the process counts for itself until the minute
    ends."""
    waiting: int = 0
    refill: asyncio.Task[bool] | None = None

    @property
    def remaining(self) -> int:
        """What is left of the limit, as far as this process knows."""
        return max(0, self.limit - self.shared_count - self.unreported) + self.reserved


class RateLimiter:
    """Admits requests of a name until its limit is used up. Belongs to one event loop.

    ``sharers`` is how many processes serve the same callers. ``timer`` is the machine's time [seconds]: minutes must
    be the same in every process, and pass even where the service shows the past.
    """

    def __init__(
        self,
        counters: RedisCounters | None,
        metrics: Metrics,
        *,
        sharers: int = 1,
        timer: Callable[[], float] = time.time,
    ) -> None:
        self._counters = counters
        self._metrics = metrics
        self._sharers = sharers
        self._timer = timer
        self._window = -1
        self._unavailable_since: int | None = None
        """The minute in which Redis failed."""
        self._restarts_seen = 0
        self._restarted_in: int | None = None
        """The minute in which Redis was last seen to have restarted."""
        self._budgets: dict[str, RequestBudget] = {}
        self._names_by_kind: Counter[str] = Counter()

    @property
    def breaker_state(self) -> BreakerState:
        """The state of the circuit breaker of the connections to Redis; closed without Redis."""
        return "closed" if self._counters is None else self._counters.breaker.state

    async def open(self) -> None:
        """Connect to Redis and learn which process answers, so that a restart can be detected from now on."""
        if self._counters is not None:
            await self._counters.add("opened", self._enter_window(self._timer()), 0)

    async def take(self, name: str, limit: int) -> RateLimitStatus:
        """Admit one request of the name. Raises RateLimitError with the time until the next minute begins.

        Does not wait while something is reserved or nothing is left.
        """
        now = self._timer()
        window = self._enter_window(now)
        budget = self._budgets.get(name)
        if budget is None:
            budget = self._open_budget(name, limit)
        while not budget.reserved:
            if budget.shared_count >= limit or not await self._refill(name, budget, window):
                self._metrics.rate_limited.labels(name.partition("/")[0]).inc()
                raise RateLimitError(
                    f"More than {limit} requests in a minute.",
                    hint="Wait for the seconds given in Retry-After.",
                    retry_after=_seconds_left(now),
                    limit=limit,
                )
        budget.reserved -= 1
        return RateLimitStatus(limit, budget.remaining, _seconds_left(now))

    def take_local(self, names: Sequence[tuple[str, int]]) -> RateLimitStatus | None:
        """Admit one request of all these names, each with its limit; return the status of the tightest limit.

        Returns None, and takes nothing, unless something is reserved for each.
        """
        now = self._timer()
        window = self._enter_window(now)
        budgets = []
        for name, limit in names:
            budget = self._budgets.get(name)
            if self._counters is None:
                budget = budget or self._open_budget(name, limit)
                if not budget.reserved:
                    self._refill_locally(budget, window)
            if budget is None or not budget.reserved:
                return None
            budgets.append(budget)
        for budget in budgets:
            budget.reserved -= 1
        tightest = budgets[0] if len(budgets) == 1 else min(budgets, key=lambda budget: budget.remaining)
        return RateLimitStatus(tightest.limit, tightest.remaining, _seconds_left(now))

    def _enter_window(self, now: float) -> int:
        """Return the current minute; drop all budgets when a new one has begun."""
        window = int(now // WINDOW_SECONDS)
        if window != self._window:
            self._window, self._budgets, self._names_by_kind = window, {}, Counter()
        return window

    async def close(self) -> None:
        """Close the connections."""
        if self._counters is not None:
            await self._counters.close()

    def _open_budget(self, name: str, limit: int) -> RequestBudget:
        kind = name.partition("/")[0]
        self._names_by_kind[kind] += 1
        counted_as = name if self._names_by_kind[kind] <= MAX_NAMES else f"{kind}/{OTHERS}"
        return self._budgets.setdefault(counted_as, RequestBudget(limit))

    async def _refill(self, name: str, budget: RequestBudget, window: int) -> bool:
        """Reserve more; True if something is reserved then. However many callers wait, Redis is asked once."""
        if self._counters is None or budget.is_damaged:
            return self._refill_locally(budget, window)
        budget.waiting += 1
        try:
            if budget.refill is None:
                budget.refill = asyncio.create_task(self._run_refill(self._counters, name, budget, window))
            return await asyncio.shield(budget.refill)
        finally:
            budget.waiting -= 1

    async def _run_refill(self, counters: RedisCounters, name: str, budget: RequestBudget, window: int) -> bool:
        try:
            return await self._refill_from_redis(counters, name, budget, window)
        finally:
            # Not in a callback, which runs later: a caller that awaits a finished task gives other tasks no turn.
            budget.refill = None

    async def _refill_from_redis(self, counters: RedisCounters, name: str, budget: RequestBudget, window: int) -> bool:
        try:
            return await self._count_in_redis(counters, name, budget, window)
        except DamagedCounterError:
            budget.is_damaged = budget.is_count_lost = True
            log.warning("no count in Redis under this name; each process applies its own rate limit", name=name)
            return self._refill_locally(budget, window)

    async def _count_in_redis(self, counters: RedisCounters, name: str, budget: RequestBudget, window: int) -> bool:
        unreported, before = budget.unreported, budget.shared_count
        portion = max(1, budget.waiting, (budget.limit - before) // (PORTIONS * self._sharers))
        wanted = 0 if budget.is_count_lost else portion
        count = await counters.add(name, window, unreported + wanted)
        budget.is_count_lost |= self._has_restarted(counters, window)
        if count is not None and count < before + unreported + wanted:
            budget.is_count_lost = True
            count = await counters.add(name, window, before + unreported - count)
        if count is None:
            if self._unavailable_since is None:
                self._unavailable_since = window
            return self._refill_locally(budget, window)
        self._unavailable_since = None
        budget.shared_count, budget.unreported = count, 0
        if budget.is_count_lost:
            return self._refill_locally(budget, window)
        budget.reserved += max(0, wanted - max(0, count - budget.limit))
        return budget.reserved > 0

    def _has_restarted(self, counters: RedisCounters, window: int) -> bool:
        """Whether Redis was seen to have restarted in this minute, so that its counts are lost."""
        if counters.restarts > self._restarts_seen:
            self._restarts_seen, self._restarted_in = counters.restarts, window
        return self._restarted_in == window

    def _refill_locally(self, budget: RequestBudget, window: int) -> bool:
        fraction = OUTAGE_SHARE if budget.is_count_lost or self._unavailable_since == window else 1
        share = budget.limit // (self._sharers * fraction)
        if budget.local_count >= (share if fraction > 1 else min(budget.limit, max(1, share))):
            return False
        budget.local_count += 1
        budget.unreported += 1
        budget.reserved += 1
        self._metrics.admitted_without_redis.inc()
        return True


def _seconds_left(now: float) -> int:
    """Return the seconds until the current minute ends, rounded up."""
    return math.ceil(WINDOW_SECONDS - now % WINDOW_SECONDS)

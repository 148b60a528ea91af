"""Looks up or computes the bodies that are requested in one turn of the event loop, all together.

All callers of one turn, of single games and of batches, share one round trip to Redis and one pass of each model. A key
is looked up once, however many callers wait for it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from core.errors import DbsbmError
from serving.predictions.cache import CachedBody, PredictionCache
from serving.predictions.redis_cache import RedisCache

BODIES_AT_ONCE: Final = 32
"""Bodies made without a pause; more would block the event loop for milliseconds."""

PendingBody = asyncio.Future[CachedBody]
"""One caller's own future of a body, which it may cancel. It has the error if making the body failed."""


class HasKey(Protocol):
    """Something whose body is cached under a key."""

    @property
    def key(self) -> str:
        """Cache key, made of all that the body depends on."""
        ...


PlanType = TypeVar("PlanType", bound=HasKey)


class BodySource(Generic[PlanType]):
    """Bodies from the caches, or made by ``make``, which returns a body or an error for each plan, in order.

    Created in the event loop that it belongs to. ``make`` is called in the loop, because a thread would cost as much as
    a forecast.
    """

    def __init__(self, cache: PredictionCache, make: Callable[[Sequence[PlanType]], list[bytes | DbsbmError]]) -> None:
        self._cache = cache
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._pending: dict[str, BodyRequest[PlanType]] = {}
        """Bodies being looked up or computed, by key."""
        self._pending_recomputed: dict[str, BodyRequest[PlanType]] = {}
        """Bodies being computed without a look-up, by key."""
        self._requests: list[BodyRequest[PlanType]] = []
        self._recompute_requests: list[BodyRequest[PlanType]] = []
        self._uncached: list[BodyRequest[PlanType]] = []
        """Requests whose bodies must be computed."""
        self._turns: set[asyncio.Task[None]] = set()

    def request(self, plan: PlanType) -> CachedBody | PendingBody:
        """Return the plan's body if this process has it, or a future of it."""
        body = self._cache.local.get(plan.key)
        if body is not None:
            return body
        request = self._pending.get(plan.key) or self._join_turn(plan, self._pending, self._requests)
        return self._wait_for(request)

    async def recompute(self, plan: PlanType) -> CachedBody:
        """Return the plan's body, computed without a look-up in the caches. Raises the error that ``make`` returned."""
        request = self._pending_recomputed.get(plan.key) or self._join_turn(
            plan, self._pending_recomputed, self._recompute_requests
        )
        return await self._wait_for(request)

    async def close(self) -> None:
        """Cancel all pending work."""
        for turn in self._turns:
            turn.cancel()
        await asyncio.gather(*self._turns, return_exceptions=True)

    def _wait_for(self, request: "BodyRequest[PlanType]") -> PendingBody:
        waiting: PendingBody = self._loop.create_future()
        request.waiting.append(waiting)
        return waiting

    def _join_turn(
        self, plan: PlanType, by_key: dict[str, "BodyRequest[PlanType]"], requests: list["BodyRequest[PlanType]"]
    ) -> "BodyRequest[PlanType]":
        if not self._requests and not self._recompute_requests:
            self._loop.call_soon(self._begin_turn)
        request = by_key[plan.key] = BodyRequest(plan, by_key)
        requests.append(request)
        return request

    def _begin_turn(self) -> None:
        requests, self._requests = self._requests, []
        self._uncached, self._recompute_requests = [*self._uncached, *self._recompute_requests], []
        if self._cache.shared is None:
            self._uncached += requests
        elif requests:
            self._start(self._look_up(self._cache.shared, requests), requests)
        self._begin_computation()

    def _begin_computation(self) -> None:
        """Compute what is missing by now: what several round trips to Redis did not find is computed together."""
        requests, self._uncached = self._uncached, []
        if requests:
            self._start(self._compute(requests), requests)

    def _start(self, work: Coroutine[Any, Any, None], requests: Sequence["BodyRequest[PlanType]"]) -> None:
        turn = asyncio.create_task(work)
        self._turns.add(turn)
        turn.add_done_callback(partial(self._end_turn, requests))

    async def _look_up(self, shared: RedisCache, requests: Sequence["BodyRequest[PlanType]"]) -> None:
        """Resolve requests from Redis; what is missing there is computed."""
        bodies = await shared.read_many([request.plan.key for request in requests])
        if not self._uncached:
            self._loop.call_soon(self._begin_computation)
        for request, body in zip(requests, bodies, strict=True):
            if body is None:
                self._uncached.append(request)
            else:
                self._cache.local.put(request.plan.key, body)
                request.resolve(CachedBody(body, "redis"))

    async def _compute(self, requests: Sequence["BodyRequest[PlanType]"]) -> None:
        for start in range(0, len(requests), BODIES_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            batch = requests[start : start + BODIES_AT_ONCE]
            for request, body in zip(batch, self._make([one.plan for one in batch]), strict=True):
                if isinstance(body, DbsbmError):
                    request.fail(body)
                else:
                    request.resolve(self._cache.keep_draft(request.plan.key, body))

    def _end_turn(self, requests: Sequence["BodyRequest[PlanType]"], turn: "asyncio.Task[None]") -> None:
        """Fail requests that are still pending because a bug or the end of the service ended the turn."""
        self._turns.discard(turn)
        error = asyncio.CancelledError() if turn.cancelled() else turn.exception()
        for request in requests:
            if error is not None and not request.is_done:
                request.fail(error)


class BodyRequest(Generic[PlanType]):
    """A plan whose body is being looked up or computed, and the callers who wait for it."""

    __slots__ = ("_by_key", "is_done", "plan", "waiting")

    def __init__(self, plan: PlanType, by_key: dict[str, "BodyRequest[PlanType]"]) -> None:
        self.plan = plan
        self._by_key = by_key
        """Where later callers with the same key find this request until it is done."""
        self.waiting: list[PendingBody] = []
        self.is_done = False

    def resolve(self, body: CachedBody) -> None:
        """Return the body to all waiting callers."""
        for waiting in self._end():
            waiting.set_result(body)

    def fail(self, error: BaseException) -> None:
        """Raise the error in all waiting callers."""
        for waiting in self._end():
            if isinstance(error, asyncio.CancelledError):
                waiting.cancel()
            else:
                waiting.set_exception(error)
                waiting.exception()  # retrieves it in case the caller does not wait any longer

    def _end(self) -> list[PendingBody]:
        """End the request, and return the futures of callers who were not cancelled."""
        del self._by_key[self.plan.key]
        self.is_done = True
        return [waiting for waiting in self.waiting if not waiting.done()]

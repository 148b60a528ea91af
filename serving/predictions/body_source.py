"""Finds or makes the bodies that are asked for in one turn of the event loop, all at once.

Whoever asks, one question or a batch, shares one trip to Redis and one pass of each model with everybody who asks in
the same turn. One key is looked up once, however many wait for it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from core.errors import DbsbmError
from serving.predictions.cache import CachedBody, PredictionCache

LARGEST_BATCH: Final = 32
"""Bodies made without a pause: more would keep the event loop from everybody else for milliseconds."""

Flight = asyncio.Future[CachedBody]


class HasKey(Protocol):
    """Something whose body is cached under a key."""

    @property
    def key(self) -> str:
        """Names everything the body depends on."""
        ...


PlanType = TypeVar("PlanType", bound=HasKey)


class BodySource(Generic[PlanType]):
    """Bodies from the caches, else made by ``make``, which gives a body or an error for each plan, in order.

    Belongs to the event loop that runs when it is made. ``make`` is called in the loop: a hop through a thread costs as
    much as a forecast.
    """

    def __init__(self, cache: PredictionCache, make: Callable[[Sequence[PlanType]], list[bytes | DbsbmError]]) -> None:
        self._cache = cache
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._flights: dict[str, Flight] = {}
        """What is being looked up or computed, by key."""
        self._recomputed: dict[str, Flight] = {}
        """What is being computed whatever the caches hold, by key."""
        self._asked: list[Request[PlanType]] = []
        self._asked_afresh: list[Request[PlanType]] = []
        self._turns: set[asyncio.Task[None]] = set()

    async def get(self, plan: PlanType, patience: float | None) -> CachedBody | None:
        """Return the plan's body; None if it is not there within ``patience`` [seconds], though it will be.

        Raises the error that ``make`` gave.
        """
        body = self._cache.local.get(plan.key)
        if body is not None:
            return body
        flight = self._flights.get(plan.key)
        if flight is None:
            flight = self._join_turn(plan, self._flights, self._asked)
        if patience is None:
            return await asyncio.shield(flight)
        await asyncio.wait((flight,), timeout=patience)
        return flight.result() if flight.done() else None

    async def recompute(self, plan: PlanType) -> CachedBody:
        """Return the plan's body, computed whatever the caches hold. Raises the error that ``make`` gave."""
        flight = self._recomputed.get(plan.key)
        if flight is None:
            flight = self._join_turn(plan, self._recomputed, self._asked_afresh)
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """End what is under way."""
        for turn in self._turns:
            turn.cancel()
        await asyncio.gather(*self._turns, return_exceptions=True)

    def _join_turn(self, plan: PlanType, flights: dict[str, Flight], asked: list["Request[PlanType]"]) -> Flight:
        if not self._asked and not self._asked_afresh:
            self._loop.call_soon(self._begin_turn)
        flight = flights[plan.key] = self._loop.create_future()
        asked.append(Request(plan, flight, flights))
        return flight

    def _begin_turn(self) -> None:
        asked, self._asked = self._asked, []
        afresh, self._asked_afresh = self._asked_afresh, []
        if asked:
            self._start(self._look_up(asked), asked)
        if afresh:
            self._start(self._compute(afresh), afresh)

    def _start(self, work: Coroutine[Any, Any, None], requests: Sequence["Request[PlanType]"]) -> None:
        turn = asyncio.create_task(work)
        self._turns.add(turn)
        turn.add_done_callback(partial(self._end_turn, requests))

    async def _look_up(self, requests: Sequence["Request[PlanType]"]) -> None:
        """Answer from Redis what is there, and compute the rest."""
        if self._cache.shared is None:
            await self._compute(requests)
            return
        missing = []
        bodies = await self._cache.shared.read_many([request.plan.key for request in requests])
        for request, body in zip(requests, bodies, strict=True):
            if body is None:
                missing.append(request)
            else:
                self._cache.local.put(request.plan.key, body)
                request.land(CachedBody(body, "redis"))
        await self._compute(missing)

    async def _compute(self, requests: Sequence["Request[PlanType]"]) -> None:
        for start in range(0, len(requests), LARGEST_BATCH):
            if start:
                await asyncio.sleep(0)
            batch = requests[start : start + LARGEST_BATCH]
            for request, body in zip(batch, self._make([one.plan for one in batch]), strict=True):
                if isinstance(body, DbsbmError):
                    request.fail(body)
                else:
                    request.land(self._cache.keep_draft(request.plan.key, body))

    def _end_turn(self, requests: Sequence["Request[PlanType]"], turn: "asyncio.Task[None]") -> None:
        """Fail whatever is still waited for, where the turn was ended by a bug or by the end of the service."""
        self._turns.discard(turn)
        error = asyncio.CancelledError() if turn.cancelled() else turn.exception()
        for request in requests:
            if error is not None and not request.flight.done():
                request.fail(error)


@dataclass(frozen=True, slots=True)
class Request(Generic[PlanType]):
    """A plan whose body is being looked up or computed."""

    plan: PlanType
    flight: Flight
    flights: dict[str, Flight]
    """Where those who ask for the same key find it."""

    def land(self, body: CachedBody) -> None:
        """Give everybody who waits the body."""
        del self.flights[self.plan.key]
        self.flight.set_result(body)

    def fail(self, error: BaseException) -> None:
        """Give everybody who waits the error."""
        del self.flights[self.plan.key]
        if isinstance(error, asyncio.CancelledError):
            self.flight.cancel()
            return
        self.flight.set_exception(error)
        self.flight.exception()  # if every caller went away, nothing else retrieves it

"""Predictions computed before they are requested: of every coming game, and by a new champion before it answers."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Final

from core.clock import Clock
from core.errors import DbsbmError
from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion, Champions
from serving.games.slate import GameKey, Slate
from serving.predictions.cache import MOST_BODIES, PredictionCache
from serving.predictions.plan import ForecastPlan, make_bodies

SLICE_SECONDS: Final = 0.2
"""Longest time spent computing in one step."""

LEAST_SLICE: Final = 0.1
"""Part of that time which bodies with reasons get even when requests keep the processor busy."""

PREPARE_SECONDS: Final = 0.5
"""Longest time that a new champion waits for its first predictions."""

REPLAN_SECONDS: Final = 60.0
"""How often expired entries are replaced."""

DRAFTS_AT_ONCE: Final = 16
BODIES_AT_ONCE: Final = 4
"""Bodies between two readings of the clock: a draft takes 0.05 ms, a body with reasons 5 ms."""


class Prewarming:
    """Fills the local cache in slices of time: games requested recently, then the next; drafts, then whole bodies.

    ``recently_requested`` returns the keys of the former, the latest first. ``when_warm`` is called once, when the
    first champions have forecast all games. Used by one thread, except for ``prepare``.
    """

    def __init__(
        self,
        clock: Clock,
        slate: Slate,
        champions: Champions,
        cache: PredictionCache,
        recently_requested: Callable[[], list[GameKey]],
        when_warm: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._slate = slate
        self._champions = champions
        self._cache = cache
        self._recently_requested = recently_requested
        self._when_warm: Callable[[], None] | None = when_warm
        self._planned_for: tuple[object, object] = (None, None)
        self._planned_at = 0.0
        self._drafts: Iterator[OnlineRow] = iter(())
        self._bodies: Iterator[OnlineRow] = iter(())
        self._idle_since = self._times()

    def step(self) -> bool:
        """Compute for at most a fifth of a second; True if drafts are left.

        Bodies with reasons get one slice per step, so that they use at most a fifth of a core, and less of one that
        requests keep busy.
        """
        part = max(LEAST_SLICE, 1 - self._busy_share())
        self._plan_if_needed()
        is_unfinished = self._fill(self._drafts, self._champions, SLICE_SECONDS, whole=False)
        if not is_unfinished:
            self._fill(self._bodies, self._champions, SLICE_SECONDS * part, whole=True)
        self._idle_since = self._times()
        if is_unfinished:
            return True
        if self._when_warm is not None and self._champions.loaded and self._slate.loaded:
            self._when_warm()
            self._when_warm = None
        return False

    def prepare(self, champion: Champion) -> None:
        """Compute the first drafts of a champion before it answers, for at most half a second."""
        after = self._champions.with_champion(champion)
        self._fill(self._candidates(), after, PREPARE_SECONDS, whole=False, only=champion)

    def _busy_share(self) -> float:
        """How much of one core the process used since the last step."""
        wall, processor = self._times()
        wall_before, processor_before = self._idle_since
        return (processor - processor_before) / max(wall - wall_before, 1e-3)

    @staticmethod
    def _times() -> tuple[float, float]:
        return time.monotonic(), time.process_time()

    def _plan_if_needed(self) -> None:
        """Plan all games again if slate or champions changed or time passed; for a new draft, the whole bodies only."""
        planned_for = (self._slate.table, self._champions.loaded)
        changed = any(new is not old for new, old in zip(planned_for, self._planned_for, strict=True))
        is_due = changed or time.monotonic() - self._planned_at > REPLAN_SECONDS
        if not is_due and not self._cache.local.drafted:
            return
        self._cache.local.drafted = False
        self._bodies = self._candidates()
        if is_due:
            self._planned_for, self._planned_at = planned_for, time.monotonic()
            self._drafts = self._candidates()

    def _candidates(self) -> Iterator[OnlineRow]:
        rows = self._slate.table.rows
        requested = (rows[key] for key in self._recently_requested() if key in rows)
        return islice(chain(requested, self._slate.upcoming(self._clock.now())), MOST_BODIES // 2)

    def _fill(
        self,
        rows: Iterator[OnlineRow],
        champions: Champions,
        seconds: float,
        *,
        whole: bool,
        only: Champion | None = None,
    ) -> bool:
        """Make missing bodies, as drafts or whole; True if time ran out before the rows did."""
        deadline = time.monotonic() + seconds
        missing = self._missing(rows, champions, whole=whole, only=only)
        while batch := list(islice(missing, BODIES_AT_ONCE if whole else DRAFTS_AT_ONCE)):
            for plan, body in zip(batch, make_bodies(batch, explained=whole), strict=True):
                if not isinstance(body, DbsbmError):  # a request for this game gets the error
                    self._cache.keep(plan.key, body, whole=whole)
            if time.monotonic() >= deadline:
                return True
        return False

    def _missing(
        self, rows: Iterable[OnlineRow], champions: Champions, *, whole: bool, only: Champion | None
    ) -> Iterator[ForecastPlan]:
        """Yield plans that are not cached. Games of a league without champion are left out."""
        now = self._clock.now()
        for row in rows:
            try:
                champion = champions.for_row(row)
            except DbsbmError:
                continue
            plan = ForecastPlan.of(champion, row, now)
            if (only is None or champion is only) and self._cache.local.wants(plan.key, whole=whole):
                yield plan

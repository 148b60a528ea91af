"""Predictions computed before they are asked for: of every coming game, and by a new champion before it answers."""

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

PREPARE_SECONDS: Final = 0.5
"""Longest time that a new champion waits for its first predictions."""

AGAIN_SECONDS: Final = 60.0
"""How often expired entries are looked for."""

DRAFTS_AT_ONCE: Final = 16
BODIES_AT_ONCE: Final = 4
"""Made between two looks at the time: a draft takes a twentieth of a millisecond, a body with its reasons five."""


class Prewarming:
    """Fills the cache, a slice of time at a time: the games asked for lately, then the next ones; drafts, then bodies.

    ``asked_lately`` gives the keys of the former, the last one first. ``when_warm`` is called once, when the first
    champions have forecast all games. Belongs to one thread, except for ``prepare``.
    """

    def __init__(
        self,
        clock: Clock,
        slate: Slate,
        champions: Champions,
        cache: PredictionCache,
        asked_lately: Callable[[], list[GameKey]],
        when_warm: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._slate = slate
        self._champions = champions
        self._cache = cache
        self._asked_lately = asked_lately
        self._when_warm: Callable[[], None] | None = when_warm
        self._made_for: tuple[object, object] = (None, None)
        self._made_at = 0.0
        self._drafts: Iterator[OnlineRow] = iter(())
        self._bodies: Iterator[OnlineRow] = iter(())

    def step(self) -> bool:
        """Compute for a fifth of a second at most; True if there are drafts left to make.

        Bodies with reasons get one slice per step, so that they never use more than a fifth of a core.
        """
        self._plan_again_if_needed()
        if self._fill(self._drafts, self._champions, SLICE_SECONDS, whole=False):
            return True
        self._fill(self._bodies, self._champions, SLICE_SECONDS, whole=True)
        if self._when_warm is not None and self._champions.loaded and self._slate.loaded:
            self._when_warm()
            self._when_warm = None
        return False

    def prepare(self, champion: Champion) -> None:
        """Compute what this champion will be asked first, before it answers; for half a second at most."""
        after = self._champions.with_champion(champion)
        self._fill(self._wanted(), after, PREPARE_SECONDS, whole=False, only=champion)

    def _plan_again_if_needed(self) -> None:
        made_for = (self._slate.table, self._champions.loaded)
        changed = any(new is not old for new, old in zip(made_for, self._made_for, strict=True))
        if changed or self._cache.local.drafted or time.monotonic() - self._made_at > AGAIN_SECONDS:
            self._made_for, self._made_at = made_for, time.monotonic()
            self._cache.local.drafted = False
            self._drafts, self._bodies = self._wanted(), self._wanted()

    def _wanted(self) -> Iterator[OnlineRow]:
        rows = self._slate.table.rows
        asked = (rows[key] for key in self._asked_lately() if key in rows)
        return islice(chain(asked, self._slate.upcoming(self._clock.now())), MOST_BODIES // 2)

    def _fill(
        self,
        rows: Iterator[OnlineRow],
        champions: Champions,
        seconds: float,
        *,
        whole: bool,
        only: Champion | None = None,
    ) -> bool:
        """Make what is missing, as drafts or whole; True if time ran out before the rows did."""
        until = time.monotonic() + seconds
        missing = self._missing(rows, champions, whole=whole, only=only)
        while batch := list(islice(missing, BODIES_AT_ONCE if whole else DRAFTS_AT_ONCE)):
            for plan, body in zip(batch, make_bodies(batch, explained=whole), strict=True):
                if not isinstance(body, DbsbmError):  # whoever asks for this game gets the error
                    self._cache.keep(plan.key, body, whole=whole)
            if time.monotonic() >= until:
                return True
        return False

    def _missing(
        self, rows: Iterable[OnlineRow], champions: Champions, *, whole: bool, only: Champion | None
    ) -> Iterator[ForecastPlan]:
        """What is not cached yet. A game of a league without champion is left out."""
        now = self._clock.now()
        for row in rows:
            try:
                champion = champions.for_row(row)
            except DbsbmError:
                continue
            plan = ForecastPlan.of(champion, row, now)
            if (only is None or champion is only) and self._cache.local.wants(plan.key, whole=whole):
                yield plan

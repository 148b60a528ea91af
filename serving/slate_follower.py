"""Keeps the games in memory the same as the feature store's, and computes their predictions before anybody asks."""

import gc
import time
from collections.abc import Iterator
from itertools import islice
from typing import Final

from sqlalchemy.engine import Engine

from core.clock import Clock
from core.errors import DatabaseError, DbsbmError
from core.logs import get_logger
from feature_store.online import OnlineRow, watermarks
from serving.answers import cache_key
from serving.cache import MOST_BODIES, LocalCache
from serving.champions import Champions
from serving.predicting import computed
from serving.slate import Slate

WARM_SECONDS: Final = 0.2
"""Longest time spent computing before the next look at the database."""

WARM_AGAIN_SECONDS: Final = 60.0
"""How often entries that ran out are looked for."""

log = get_logger(__name__)


class SlateFollower:
    """Looks at the feature store's watermarks; what it read last stays while the database is away."""

    def __init__(self, engine: Engine, clock: Clock, slate: Slate, champions: Champions, local: LocalCache) -> None:
        self._engine = engine
        self._slate = slate
        self._warming = Warming(clock, slate, champions, local)
        self.away: DatabaseError | None = None
        self.looked_at: float | None = None
        """On the monotonic clock, when the database last answered."""

    def step(self) -> bool:
        """One look and a little warming; True while there is more to warm."""
        self._look()
        return self._warming.step()

    def age(self) -> float:
        """Seconds since the database last answered; infinite if it never did."""
        return float("inf") if self.looked_at is None else time.monotonic() - self.looked_at

    def _look(self) -> None:
        try:
            self._slate.follow(self._engine, watermarks(self._engine))
        except DatabaseError as error:
            if self.away is None:
                log.warning("the database is away; answers go on from memory", reason=error.message)
            self.away = error
            return
        if self.away is not None:
            log.info("the database is back")
        self.away = None
        self.looked_at = time.monotonic()


class Warming:
    """Fills the local cache with the predictions of the games to come, a slice of time at a time."""

    def __init__(self, clock: Clock, slate: Slate, champions: Champions, local: LocalCache) -> None:
        self._clock = clock
        self._slate = slate
        self._champions = champions
        self._local = local
        self._made_for: tuple[object, object] = (None, None)
        self._made_at = 0.0
        self._left: Iterator[OnlineRow] = iter(())
        self._frozen = False

    def step(self) -> bool:
        """Compute for a fifth of a second at most; True if there is more to do."""
        self._plan_again_if_needed()
        until = time.monotonic() + WARM_SECONDS
        for row in self._left:
            self._compute(row)
            if time.monotonic() >= until:
                return True
        if self._champions.loaded and self._slate.loaded and not self._frozen:
            # Full collections over what libraries leave on the heap cost 80 ms each: performance.md, section 4.
            gc.collect()
            gc.freeze()
            self._frozen = True
        return False

    def _plan_again_if_needed(self) -> None:
        made_for = (self._slate.table, self._champions.loaded)
        changed = any(new is not old for new, old in zip(made_for, self._made_for, strict=True))
        if changed or time.monotonic() - self._made_at > WARM_AGAIN_SECONDS:
            self._made_for, self._made_at = made_for, time.monotonic()
            self._left = islice(self._slate.upcoming(self._clock.now()), MOST_BODIES // 2)

    def _compute(self, row: OnlineRow) -> None:
        try:
            champion = self._champions.of_row(row)
            key = cache_key(champion, row, begun=False)
            if self._local.lacks(key):
                self._local.put(key, computed(champion, row, begun=False))
        except DbsbmError:
            return  # whoever asks for this game is told why

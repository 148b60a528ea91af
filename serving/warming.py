"""Predictions computed before anybody asks: of every coming game, and with a new champion before it answers."""

import gc
import time
from collections.abc import Iterator
from itertools import islice
from typing import Final

from core.clock import Clock
from core.errors import DbsbmError
from feature_store.online import OnlineRow
from serving.answers import cache_key
from serving.cache import MOST_BODIES, LocalCache
from serving.champions import Champion, Champions
from serving.predicting import computed
from serving.slate import Slate

SLICE_SECONDS: Final = 0.2
"""Longest time spent computing before somebody looks at the database again."""

PREPARE_SECONDS: Final = 0.5
"""Longest time that a new champion waits for its first predictions."""

AGAIN_SECONDS: Final = 60.0
"""How often entries that ran out are looked for."""


class Warming:
    """Fills the local cache, a slice of time at a time; the next games first."""

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
        if self._compute(self._left, self._champions, SLICE_SECONDS):
            return True
        if self._champions.loaded and self._slate.loaded and not self._frozen:
            # Full collections over what libraries leave on the heap cost 80 ms each: performance.md, section 4.
            gc.collect()
            gc.freeze()
            self._frozen = True
        return False

    def prepare(self, champion: Champion) -> None:
        """Compute what this champion will be asked first, before it is let in; half a second at most."""
        after = self._champions.with_champion(champion)
        self._compute(self._coming(), after, PREPARE_SECONDS, only=champion)

    def _plan_again_if_needed(self) -> None:
        made_for = (self._slate.table, self._champions.loaded)
        changed = any(new is not old for new, old in zip(made_for, self._made_for, strict=True))
        if changed or time.monotonic() - self._made_at > AGAIN_SECONDS:
            self._made_for, self._made_at = made_for, time.monotonic()
            self._left = self._coming()

    def _coming(self) -> Iterator[OnlineRow]:
        return islice(self._slate.upcoming(self._clock.now()), MOST_BODIES // 2)

    def _compute(
        self, rows: Iterator[OnlineRow], champions: Champions, seconds: float, only: Champion | None = None
    ) -> bool:
        """Compute what is missing; True if time ran out before the rows did."""
        until = time.monotonic() + seconds
        for row in rows:
            try:
                champion = champions.of_row(row)
                key = cache_key(champion, row, begun=False)
                if (only is None or champion is only) and self._local.lacks(key):
                    self._local.put(key, computed(champion, row, begun=False))
            except DbsbmError:
                continue  # whoever asks for this game is told why
            if time.monotonic() >= until:
                return True
        return False

"""Predictions computed before anybody asks: of every coming game, and with a new champion before it answers."""

import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Final

from core.clock import Clock
from core.errors import DbsbmError
from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion, Champions
from serving.games.slate import GameKey, Slate
from serving.predictions.answer import cache_key, has_begun
from serving.predictions.cache import MOST_BODIES, PredictionCache
from serving.predictions.predictor import computed
from serving.runtime import heap

SLICE_SECONDS: Final = 0.2
"""Longest time spent computing before somebody looks at the database again."""

PREPARE_SECONDS: Final = 0.5
"""Longest time that a new champion waits for its first predictions."""

AGAIN_SECONDS: Final = 60.0
"""How often entries that ran out are looked for."""


class Warming:
    """Fills the cache, a slice of time at a time: the games asked for lately, then the next ones; drafts, then all.

    ``asked_lately`` gives the keys of the former, the last one first.
    """

    def __init__(
        self,
        clock: Clock,
        slate: Slate,
        champions: Champions,
        cache: PredictionCache,
        asked_lately: Callable[[], list[GameKey]],
    ) -> None:
        self._clock = clock
        self._slate = slate
        self._champions = champions
        self._cache = cache
        self._asked_lately = asked_lately
        self._made_for: tuple[object, object] = (None, None)
        self._made_at = 0.0
        self._drafts: Iterator[OnlineRow] = iter(())
        self._bodies: Iterator[OnlineRow] = iter(())
        self._settled = False

    def step(self) -> bool:
        """Compute for a fifth of a second at most; True if there are drafts left to make.

        Whole bodies take their time, a slice per step, so that they never have more than a fifth of a core.
        """
        self._plan_again_if_needed()
        if self._compute(self._drafts, self._champions, SLICE_SECONDS, whole=False):
            return True
        self._compute(self._bodies, self._champions, SLICE_SECONDS, whole=True)
        if self._champions.loaded and self._slate.loaded and not self._settled:
            heap.settle()
            self._settled = True
        return False

    def prepare(self, champion: Champion) -> None:
        """Compute what this champion will be asked first, before it is let in; half a second at most."""
        after = self._champions.with_champion(champion)
        self._compute(self._wanted(), after, PREPARE_SECONDS, whole=False, only=champion)

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

    def _compute(
        self,
        rows: Iterator[OnlineRow],
        champions: Champions,
        seconds: float,
        *,
        whole: bool,
        only: Champion | None = None,
    ) -> bool:
        """Compute what is missing, as a draft or whole; True if time ran out before the rows did."""
        until, now = time.monotonic() + seconds, self._clock.now()
        for row in rows:
            try:
                champion = champions.of_row(row)
                begun = has_begun(row, now)
                key = cache_key(champion, row, begun=begun)
                if (only is None or champion is only) and self._cache.local.wants(key, whole=whole):
                    self._cache.keep(key, computed(champion, row, begun=begun, explained=whole), whole=whole)
            except DbsbmError:
                continue  # whoever asks for this game is told why
            if time.monotonic() >= until:
                return True
        return False

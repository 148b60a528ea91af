"""A circuit breaker: after a few failures in a row a dependency is left alone for a while.

Its state is local to the process and its clock monotonic: a breaker kept in the Redis that is down would be
no breaker.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Literal

BreakerState = Literal["closed", "half_open", "open"]

FAILURES: Final = 3
REST_SECONDS: Final = 1.0


class CircuitBreaker:
    """Asked before each attempt, told of its outcome.

    *closed*: every attempt is admitted. *open*: none is, for ``rest`` seconds. *half_open*: one probe is
    under way and decides; a probe that never reports is given up after another ``rest``.
    """

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        rest: float = REST_SECONDS,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = failures
        self._rest = rest
        self._timer = timer
        self._lock = threading.Lock()
        self._failures = 0
        self._state: BreakerState = "closed"
        self._changed_at = 0.0

    @property
    def state(self) -> BreakerState:
        return self._state

    def admits(self) -> bool:
        """Whether to try now. The caller that is admitted must report ``succeeded`` or ``failed``."""
        if self._state == "closed":
            return True
        with self._lock:
            if self._timer() - self._changed_at < self._rest:
                return False
            self._move_to("half_open")
            return True

    def succeeded(self) -> bool:
        """The attempt worked. True if that closed the breaker."""
        if self._state == "closed" and not self._failures:
            return False
        with self._lock:
            was_away = self._state != "closed"
            self._failures = 0
            self._move_to("closed")
            return was_away

    def failed(self) -> bool:
        """The attempt failed. True if that opened a closed breaker."""
        with self._lock:
            self._failures += 1
            was_closed = self._state == "closed"
            if was_closed and self._failures < self._allowed:
                return False
            self._move_to("open")
            return was_closed

    def _move_to(self, state: BreakerState) -> None:
        self._state = state
        self._changed_at = self._timer()

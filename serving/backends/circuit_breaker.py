"""A circuit breaker: after a few failures in a row, a dependency is not asked for a while.

Its state is local to the process, so that it works when Redis is down, and its clock is monotonic.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Literal

BreakerState = Literal["closed", "half_open", "open"]

FAILURE_THRESHOLD: Final = 3
RESET_SECONDS: Final = 1.0


class CircuitBreaker:
    """Decides before each attempt whether it is made, and counts outcomes.

    *closed*: every attempt is made. *open*: none is, for ``reset_seconds``. *half_open*: one attempt, the probe, is
    being made, and its outcome decides. A probe that never reports is given up after another ``reset_seconds``.
    """

    def __init__(
        self,
        *,
        failure_threshold: int = FAILURE_THRESHOLD,
        reset_seconds: float = RESET_SECONDS,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failure_threshold = failure_threshold
        self._reset_seconds = reset_seconds
        self._timer = timer
        self._lock = threading.Lock()
        self._failures = 0
        self._state: BreakerState = "closed"
        self._changed_at = 0.0

    @property
    def state(self) -> BreakerState:
        return self._state

    def try_acquire(self) -> bool:
        """Whether to make the attempt. If True, the caller must call ``record_success`` or ``record_failure``."""
        if self._state == "closed":
            return True
        with self._lock:
            if self._timer() - self._changed_at < self._reset_seconds:
                return False
            self._move_to("half_open")
            return True

    def record_success(self) -> bool:
        """Record that an attempt succeeded. True if that closed the breaker."""
        if self._state == "closed" and not self._failures:
            return False
        with self._lock:
            was_open = self._state != "closed"
            self._failures = 0
            self._move_to("closed")
            return was_open

    def record_failure(self) -> bool:
        """Record that an attempt failed. True if that opened a closed breaker."""
        with self._lock:
            self._failures += 1
            was_closed = self._state == "closed"
            if was_closed and self._failures < self._failure_threshold:
                return False
            self._move_to("open")
            return was_closed

    def _move_to(self, state: BreakerState) -> None:
        self._state = state
        self._changed_at = self._timer()

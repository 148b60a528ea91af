"""The service's own database, with short time-outs and a circuit breaker."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from core.database.engines import open_database
from serving.backends.circuit_breaker import CircuitBreaker

CONNECTING_SECONDS: Final = 2.0
ANSWERING_SECONDS: Final = 3.0
"""A frozen server holds a thread for this long, three times; then the breaker opens and one probe a second is made."""


class CircuitOpenError(SQLAlchemyError):
    """The circuit breaker is open: the database failed recently and was not asked."""


def open_database_with_breaker(address: URL, *, pool_size: int) -> tuple[Engine, CircuitBreaker]:
    """Return an engine that asks a circuit breaker before it hands out a connection, and the breaker.

    For an SQLite file the breaker never opens.
    """
    breaker = CircuitBreaker()
    engine = open_database(
        address,
        pool_size=pool_size,
        pool=_pool_with_breaker(breaker),
        connecting=CONNECTING_SECONDS,
        answering=ANSWERING_SECONDS,
    )

    def record_disconnect(context: ExceptionContext) -> None:
        if context.is_disconnect and context.connection is not None:
            breaker.record_failure()

    sa.event.listen(engine, "handle_error", record_disconnect)
    return engine, breaker


def _pool_with_breaker(breaker: CircuitBreaker) -> type[QueuePool]:
    """Return a pool class that pings each connection before it hands it out, so that each one counts as a success."""

    class BreakerPool(QueuePool):
        def __init__(self, creator: Any, **options: Any) -> None:
            super().__init__(creator, **{**options, "timeout": CONNECTING_SECONDS})

        def connect(self) -> PoolProxiedConnection:
            if not breaker.try_acquire():
                raise CircuitOpenError("circuit breaker open after repeated failures")
            try:
                connection = super().connect()
            except Exception:  # whatever the reason, the caller gets the error, and the attempt counts as failed
                breaker.record_failure()
                raise
            breaker.record_success()
            return connection

    return BreakerPool

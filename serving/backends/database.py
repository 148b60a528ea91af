"""Our database as serving asks it: with short time-outs, and not at all for a while after it has failed."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from core.database import open_database
from serving.backends.circuit_breaker import CircuitBreaker

CONNECTING_SECONDS: Final = 2.0
ANSWERING_SECONDS: Final = 3.0
"""A server that is frozen holds a thread for so long, three times; then nobody asks it but for one probe a second."""


class CircuitOpenError(SQLAlchemyError):
    """The breaker is open: the database failed a moment ago and was not asked."""


def open_database_with_breaker(address: URL, *, pool_size: int) -> tuple[Engine, CircuitBreaker]:
    """An engine that asks the breaker before it hands out a connection, and the breaker.

    An SQLite file has no breaker that could open: it is not away.
    """
    breaker = CircuitBreaker()
    engine = open_database(
        address,
        pool_size=pool_size,
        pool=_guarded_by(breaker),
        connecting=CONNECTING_SECONDS,
        answering=ANSWERING_SECONDS,
    )

    def failed(context: ExceptionContext) -> None:
        if context.is_disconnect and context.connection is not None:
            breaker.failed()

    sa.event.listen(engine, "handle_error", failed)
    return engine, breaker


def _guarded_by(breaker: CircuitBreaker) -> type[QueuePool]:
    """A pool whose connections were pinged before they are handed out, so that each one handed out is a success."""

    class Guarded(QueuePool):
        def __init__(self, creator: Any, **options: Any) -> None:
            super().__init__(creator, **{**options, "timeout": CONNECTING_SECONDS})

        def connect(self) -> PoolProxiedConnection:
            if not breaker.admits():
                raise CircuitOpenError("left alone after it failed")
            try:
                connection = super().connect()
            except Exception:  # whatever the reason, the caller gets the error, and the attempt counts as failed
                breaker.failed()
                raise
            breaker.succeeded()
            return connection

    return Guarded

"""The only place where connections to Redis are set up.

redis-py's defaults (10 retries, 5 s socket time-out) turn an unavailable Redis into an outage of the service: a single
GET against a closed port takes 2.7 s. Here nothing is retried, and every client states how long it waits.
"""

from collections.abc import Callable
from typing import Any, Final

import redis
import redis.asyncio
from pydantic import SecretStr
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from core.errors import ConfigurationError

REDIS_ERRORS: Final = (RedisError, OSError)
"""What an operation raises when Redis is unavailable, refuses it or answers too late."""


def check_redis_address(address: SecretStr) -> None:
    """Raise ConfigurationError if the address cannot be one of Redis. Opens no connection."""
    try:
        pool = redis.ConnectionPool.from_url(address.get_secret_value())
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, RedisError):
        # Not chained: the library's own message quotes what may be a piece of the password.
        msg = "REDIS_URL: redis-py does not accept the address or a parameter in it (the value is not shown)."
        raise ConfigurationError(msg, hint="Expected redis://:password@host:6379/0.") from None


def blocking_client(address: SecretStr, *, name: str, seconds: float) -> redis.Redis:
    """Return a client for threads and jobs; a command fails after ``seconds`` without an answer."""
    check_redis_address(address)
    return redis.Redis.from_url(
        address.get_secret_value(),
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        client_name=name,
    )


def ping(address: SecretStr, *, name: str, seconds: float) -> None:
    """Raise one of ``REDIS_ERRORS`` if Redis does not answer, ConfigurationError for a wrong address."""
    with blocking_client(address, name=name, seconds=seconds) as client:
        client.ping()


def single_connection_pool(address: SecretStr, *, name: str, seconds: float) -> redis.asyncio.ConnectionPool:
    """Return a source of connections for one event loop whose user applies its own time limit to answers.

    With redis-py's own socket time-out, a connection that breaks while it is written to ends in an AttributeError.
    """
    return redis.asyncio.ConnectionPool.from_url(
        address.get_secret_value(),
        socket_timeout=None,
        socket_connect_timeout=seconds,
        retry=AsyncRetry(NoBackoff(), 0),
        client_name=name,
        protocol=2,
    )


def shared_connection_pool(
    address: SecretStr,
    *,
    name: str,
    seconds: float,
    connections: int,
    on_connect: Callable[[Any], Any],
) -> redis.asyncio.BlockingConnectionPool:
    """Return a bounded pool for one event loop; connecting, waiting for a free connection and answering each may
    take ``seconds``. ``on_connect`` prepares every new connection.
    """
    return redis.asyncio.BlockingConnectionPool.from_url(
        address.get_secret_value(),
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=AsyncRetry(NoBackoff(), 0),
        max_connections=connections,
        timeout=seconds,
        client_name=name,
        redis_connect_func=on_connect,
    )

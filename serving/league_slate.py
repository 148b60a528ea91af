"""One league's games as they travel between processes: in Redis, written after each feature build, and on disk."""

from datetime import datetime

import redis
from pydantic import BaseModel, ConfigDict, SecretStr
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy.engine import Engine

from core.errors import CacheError
from core.logs import get_logger
from core.settings import Settings
from core.signing import Signer, signer
from feature_store.online import OnlineRow, load_rows, watermarks
from serving.breaker import Breaker
from serving.last_good import PURPOSE, believed
from serving.shared_cache import check_address, sealed

IN_REDIS = "dbsbm:slate"
"""A hash with one signed value per league."""

SOCKET_SECONDS = 0.5
"""A thread of its own waits, never a request."""

log = get_logger(__name__)


class LeagueSlate(BaseModel):
    """Every row of a league, and when the feature store last brought them up to date."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    league: str
    checked_at: datetime
    rows: tuple[OnlineRow, ...]


def document_name(league: str) -> str:
    """Under which a league's slate is signed and stored."""
    return f"slate/{league}"


def publish(settings: Settings, engine: Engine, leagues: list[str]) -> None:
    """Put the leagues' slates into Redis, where the servers find them when they cannot ask the database.

    Does nothing without Redis. Raises CacheError if it does not take them, DatabaseError.
    """
    if settings.redis is None:
        return
    check_address(settings.redis)
    ours, checked, rows = signer(settings, PURPOSE), watermarks(engine), load_rows(engine, leagues)
    values = {
        league: _sealed(ours, LeagueSlate(league=league, checked_at=checked[league], rows=_of(rows, league)))
        for league in leagues
        if league in checked
    }
    if not values:
        return
    try:
        with _client(settings.redis, 4 * SOCKET_SECONDS) as client:
            client.hset(IN_REDIS, mapping=values)
            client.expire(IN_REDIS, int(settings.data_limit_hours * 3600))
    except (RedisError, OSError) as error:
        msg = f"Redis did not take the games: {type(error).__name__}."
        raise CacheError(msg, hint="Check REDIS_URL; the servers read the database.") from error


class PublishedSlates:
    """Reads what ``publish`` wrote. A Redis that is away has nothing. Belongs to one thread."""

    def __init__(self, address: SecretStr, ours: Signer) -> None:
        self._client = _client(address, SOCKET_SECONDS)
        self._signer = ours
        self._breaker = Breaker(failures=1, rest=5.0)

    def read(self) -> list[LeagueSlate]:
        """Every league's slate that we signed."""
        if not self._breaker.admits():
            return []
        try:
            values: dict[bytes, bytes] = self._client.hgetall(IN_REDIS)  # type: ignore[assignment]  # as it is set up
        except (RedisError, OSError):
            self._breaker.failed()
            return []
        self._breaker.succeeded()
        found = (
            believed(self._signer, document_name(league.decode(errors="replace")), value, LeagueSlate)
            for league, value in values.items()
        )
        return [slate for slate in found if slate is not None]

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()


def _client(address: SecretStr, seconds: float) -> redis.Redis:
    return redis.Redis.from_url(
        address.get_secret_value(),
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        client_name="dbsbm-slate",
    )


def _sealed(ours: Signer, slate: LeagueSlate) -> bytes:
    return sealed(ours, document_name(slate.league), slate.model_dump_json().encode())


def _of(rows: list[OnlineRow], league: str) -> tuple[OnlineRow, ...]:
    return tuple(row for row in rows if row.league == league)

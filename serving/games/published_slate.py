"""The games of a league as shared between processes: in Redis, written after each feature build, and on disk."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, SecretStr
from sqlalchemy.engine import Engine

from core.errors import CacheError
from core.logs import get_logger
from core.settings import Settings
from core.signing import Signer, signer
from feature_store.rows.online import OnlineRow, StoredState, load_rows, load_states
from serving.backends.circuit_breaker import CircuitBreaker
from serving.backends.last_known_good import PURPOSE
from serving.backends.redis_clients import REDIS_ERRORS, blocking_client
from serving.backends.sealed_values import seal_document, unseal_document

SLATES_KEY = "dbsbm:slate"
"""A hash with one signed value per league."""

TIMESTAMPS_KEY = "dbsbm:slate:stamps"
"""A hash with the time of each league's value, so that readers fetch only those that have changed."""

MAX_LEAGUES = 500
"""Most values fetched at once; the rest follows with the next read."""

CLIENT_NAME = "dbsbm-slate"

SOCKET_SECONDS = 0.5
"""Only a background thread waits this long, never a request."""

log = get_logger(__name__)


class LeagueSlate(BaseModel):
    """Every row of a league, and when the feature store last updated them.

    ``state`` is the fold's state, from which matchups that are not scheduled are forecast without the database. It is
    set in Redis, not on disk.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    league: str
    checked_at: datetime
    rows: tuple[OnlineRow, ...]
    state: StoredState | None = None


def document_name(league: str) -> str:
    """Return the name under which a league's slate is signed and stored."""
    return f"slate/{league}"


def publish(settings: Settings, engine: Engine, leagues: list[str]) -> None:
    """Write the leagues' slates to Redis, from where servers read them while the database is unavailable.

    Does nothing without Redis. Raises CacheError if Redis does not accept them, and DatabaseError.
    """
    if settings.redis is None:
        return
    slate_signer, states, rows = signer(settings, PURPOSE), load_states(engine, leagues), load_rows(engine, leagues)
    slates = {
        league: LeagueSlate(league=league, checked_at=state.as_of, rows=_rows_of(rows, league), state=state)
        for league, state in states.items()
    }
    if not slates:
        return
    try:
        with (
            blocking_client(settings.redis, name=CLIENT_NAME, seconds=4 * SOCKET_SECONDS) as client,
            client.pipeline() as transaction,
        ):
            transaction.hset(
                SLATES_KEY,
                mapping={
                    league: seal_document(slate_signer, document_name(league), slate)
                    for league, slate in slates.items()
                },
            )
            transaction.hset(
                TIMESTAMPS_KEY, mapping={league: slate.checked_at.isoformat() for league, slate in slates.items()}
            )
            for name in (SLATES_KEY, TIMESTAMPS_KEY):
                transaction.expire(name, int(settings.data_limit_hours * 3600))
            transaction.execute()
    except REDIS_ERRORS as error:
        msg = f"Redis did not accept the games: {type(error).__name__}."
        raise CacheError(msg, hint="Check REDIS_URL; servers read the games from the database meanwhile.") from error


class PublishedSlateReader:
    """Reads what ``publish`` wrote; nothing while Redis is unavailable. Belongs to one thread."""

    def __init__(self, address: SecretStr, slate_signer: Signer) -> None:
        self._client = blocking_client(address, name=CLIENT_NAME, seconds=SOCKET_SECONDS)
        self._signer = slate_signer
        self._breaker = CircuitBreaker(failure_threshold=1, reset_seconds=5.0)
        self._timestamps: dict[bytes, bytes] = {}

    def read(self) -> list[LeagueSlate]:
        """Return the validly signed slates of the leagues whose timestamp has changed since the last call."""
        if not self._breaker.try_acquire():
            return []
        try:
            timestamps: dict[bytes, bytes] = self._client.hgetall(TIMESTAMPS_KEY)  # type: ignore[assignment]  # as set up
            changed = [league for league, timestamp in timestamps.items() if self._timestamps.get(league) != timestamp][
                :MAX_LEAGUES
            ]
            values: list[bytes | None] = self._client.hmget(SLATES_KEY, changed) if changed else []  # type: ignore[assignment]
        except REDIS_ERRORS:
            self._breaker.record_failure()
            return []
        self._breaker.record_success()
        self._timestamps = {league: timestamp for league, timestamp in self._timestamps.items() if league in timestamps}
        self._timestamps.update((league, timestamps[league]) for league in changed)
        slates = (
            unseal_document(self._signer, document_name(league.decode(errors="replace")), value, LeagueSlate)
            for league, value in zip(changed, values, strict=True)
            if value is not None
        )
        return [slate for slate in slates if slate is not None]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _rows_of(rows: list[OnlineRow], league: str) -> tuple[OnlineRow, ...]:
    return tuple(row for row in rows if row.league == league)

"""One league's games as they travel between processes: in Redis, written after each feature build, and on disk."""

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

IN_REDIS = "dbsbm:slate"
"""A hash with one signed value per league."""

STAMPS_IN_REDIS = "dbsbm:slate:stamps"
"""When each of them was made: a reader fetches only what it has not seen."""

MOST_LEAGUES = 500
"""So many leagues' values are fetched in one look at most; the rest follow in the next ones."""

CLIENT_NAME = "dbsbm-slate"

SOCKET_SECONDS = 0.5
"""A thread of its own waits, never a request."""

log = get_logger(__name__)


class LeagueSlate(BaseModel):
    """Every row of a league, and when the feature store last brought them up to date.

    ``state`` is there where games that nobody scheduled shall be answered without the database: in Redis, not on disk.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    league: str
    checked_at: datetime
    rows: tuple[OnlineRow, ...]
    state: StoredState | None = None


def document_name(league: str) -> str:
    """Under which a league's slate is signed and stored."""
    return f"slate/{league}"


def publish(settings: Settings, engine: Engine, leagues: list[str]) -> None:
    """Put the leagues' slates into Redis, where the servers find them when they cannot ask the database.

    Does nothing without Redis. Raises CacheError if it does not take them, DatabaseError.
    """
    if settings.redis is None:
        return
    ours, states, rows = signer(settings, PURPOSE), load_states(engine, leagues), load_rows(engine, leagues)
    slates = {
        league: LeagueSlate(league=league, checked_at=state.as_of, rows=_of(rows, league), state=state)
        for league, state in states.items()
    }
    if not slates:
        return
    try:
        with (
            blocking_client(settings.redis, name=CLIENT_NAME, seconds=4 * SOCKET_SECONDS) as client,
            client.pipeline() as together,
        ):
            together.hset(
                IN_REDIS,
                mapping={league: seal_document(ours, document_name(league), slate) for league, slate in slates.items()},
            )
            together.hset(
                STAMPS_IN_REDIS, mapping={league: slate.checked_at.isoformat() for league, slate in slates.items()}
            )
            for name in (IN_REDIS, STAMPS_IN_REDIS):
                together.expire(name, int(settings.data_limit_hours * 3600))
            together.execute()
    except REDIS_ERRORS as error:
        msg = f"Redis did not take the games: {type(error).__name__}."
        raise CacheError(msg, hint="Check REDIS_URL; the servers read the database.") from error


class PublishedSlateReader:
    """Reads what ``publish`` wrote. A Redis that is away has nothing. Belongs to one thread."""

    def __init__(self, address: SecretStr, ours: Signer) -> None:
        self._client = blocking_client(address, name=CLIENT_NAME, seconds=SOCKET_SECONDS)
        self._signer = ours
        self._breaker = CircuitBreaker(failure_threshold=1, reset_seconds=5.0)
        self._seen: dict[bytes, bytes] = {}

    def read(self) -> list[LeagueSlate]:
        """The slates that we signed of the leagues whose stamp is another than at the last look."""
        if not self._breaker.admits():
            return []
        try:
            stamps: dict[bytes, bytes] = self._client.hgetall(STAMPS_IN_REDIS)  # type: ignore[assignment]  # as set up
            changed = [league for league, stamp in stamps.items() if self._seen.get(league) != stamp][:MOST_LEAGUES]
            values: list[bytes | None] = self._client.hmget(IN_REDIS, changed) if changed else []  # type: ignore[assignment]
        except REDIS_ERRORS:
            self._breaker.failed()
            return []
        self._breaker.succeeded()
        self._seen = {league: stamp for league, stamp in self._seen.items() if league in stamps}
        self._seen.update((league, stamps[league]) for league in changed)
        found = (
            unseal_document(self._signer, document_name(league.decode(errors="replace")), value, LeagueSlate)
            for league, value in zip(changed, values, strict=True)
            if value is not None
        )
        return [slate for slate in found if slate is not None]

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()


def _of(rows: list[OnlineRow], league: str) -> tuple[OnlineRow, ...]:
    return tuple(row for row in rows if row.league == league)

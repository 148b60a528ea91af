"""Admission control: authenticates the caller of a request and applies its rate limits, once per request."""

import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy.engine import Engine
from starlette.types import Scope as AsgiScope

from core.clock import Clock
from core.errors import AuthenticationError, DatabaseError, DbsbmError, RateLimitError, ServiceError, ValidationError
from core.settings import Settings
from feature_store.sources.bot.people.guild_settings import api_rate_limits
from serving.access.api_keys import LARGEST_GUILD, ApiKey, ApiKeys, Scope, UnknownKeyError
from serving.access.client_address import TrustedProxies
from serving.access.rate_limiter import RateLimiter
from serving.backends.circuit_breaker import BreakerState
from serving.telemetry.caller import AdmissionResult, Caller
from serving.telemetry.trace import trace_of

KEY_NAME: Final = "X-API-Key"
GUILD_NAME: Final = "X-Guild-ID"
KEY_HEADER_BYTES: Final = KEY_NAME.lower().encode()
GUILD_HEADER_BYTES: Final = GUILD_NAME.lower().encode()

FAILURES_PER_MINUTE: Final = 20
"""Unknown keys that one address may send in a minute before it gets 429 instead of 401. Valid keys from that address
are still admitted, so that a caller cannot lock out others who share the address. A request without a key is not
counted."""

GUILD_LIMITS_SECONDS: Final = 30.0
MAX_CHECKED_CREDENTIALS: Final = 5_000
"""Valid pairs of key and guild that are not checked again until the keys change."""

ANONYMOUS: Final = Caller(None)


class Credentials(NamedTuple):
    """The key and the guild that a request names."""

    key: str | None
    guild: bytes | None


class _CheckedCredentials(NamedTuple):
    """The result of a successful check, valid for one generation of the keys."""

    keys: Mapping[str, ApiKey]
    key: ApiKey
    guild_id: int | None


class GuildRateLimits:
    """The rate limits of guilds, read again every half minute; without a database, those read last apply."""

    def __init__(self, engine: Engine, default: int) -> None:
        self._engine = engine
        self._default = default
        self._limits: Mapping[int, int] = {}
        self._read_at: float | None = None

    def step(self) -> bool:
        """Read the limits again if they are due. Changes nothing if the database is unavailable."""
        if self._read_at is None or time.monotonic() - self._read_at >= GUILD_LIMITS_SECONDS:
            try:
                self._limits = api_rate_limits(self._engine)
            except DatabaseError:
                return False
            self._read_at = time.monotonic()
        return False

    def limit(self, guild_id: int) -> int:
        """Return the guild's requests per minute."""
        return self._limits.get(guild_id, self._default)


class AdmissionControl:
    """Checks a caller's key, scope, guild and rate limits. Where no keys are required, it admits and counts nothing.

    Plain ASGI and in memory: a request costs microseconds, except for the few that fetch a further portion of their
    limit from Redis (serving/access/rate_limiter.py).
    """

    def __init__(
        self, settings: Settings, clock: Clock, keys: ApiKeys, guilds: GuildRateLimits, limiter: RateLimiter
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._keys = keys
        self._guilds = guilds
        self._limiter = limiter
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._checked: dict[tuple[Credentials, Scope], _CheckedCredentials] = {}

    async def admit(self, request: AsgiScope, required_scope: Scope) -> Caller:
        """Return the caller of the request. A second call for the same request gives the same result.

        Raises AuthenticationError, ScopeError for a valid key without the scope or of another guild, RateLimitError,
        and ValidationError for an impossible guild id.
        """
        trace = trace_of(request)
        if trace.admission is None:
            trace.admission = await self._evaluate(request, required_scope)
        if isinstance(trace.admission, DbsbmError):
            raise trace.admission
        return trace.admission

    def admit_without_waiting(self, credentials: Credentials, required_scope: Scope) -> Caller | None:
        """Count and return the caller; None, with nothing counted, if it must be refused or Redis must be asked."""
        if not self._settings.requires_keys:
            return ANONYMOUS
        checked = self._check(credentials, required_scope)
        if checked is None:
            return None
        status = self._limiter.take_local(self._limits(checked.key, checked.guild_id))
        return None if status is None else Caller(checked.key.key_id, checked.guild_id, status)

    def step(self) -> bool:
        """Read keys and guilds' limits again; for a thread of its own."""
        self._guilds.step()
        return self._keys.step(self._clock.now())

    @property
    def limits_breaker(self) -> BreakerState:
        """The circuit breaker of the rate limiter's connections to Redis; closed without Redis."""
        return self._limiter.breaker_state

    async def open(self) -> None:
        """Connect to Redis; call it before the first request."""
        await self._limiter.open()

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._limiter.close()

    def _check(self, credentials: Credentials, required_scope: Scope) -> _CheckedCredentials | None:
        """Return the checked credentials; None if they are not valid. Results are cached until the keys change."""
        now = self._clock.now()
        checked = self._checked.get((credentials, required_scope))
        if checked is not None and checked.keys is self._keys.by_id and checked.key.is_active(now):
            return checked
        try:
            key = self._keys.authenticate(credentials.key, now)
            key.require_scope(required_scope)
            checked = _CheckedCredentials(self._keys.by_id, key, _guild_of(key, credentials.guild))
        except DbsbmError:
            return None
        if len(self._checked) >= MAX_CHECKED_CREDENTIALS:
            self._checked.clear()
        self._checked[credentials, required_scope] = checked
        return checked

    async def _evaluate(self, request: AsgiScope, required_scope: Scope) -> AdmissionResult:
        credentials = credentials_of(request)
        caller = self.admit_without_waiting(credentials, required_scope)
        if caller is not None:
            return caller
        try:
            key = self._keys.authenticate(credentials.key, self._clock.now())
        except UnknownKeyError as refusal:
            return await self._count_failure(request, refusal)
        except (AuthenticationError, ServiceError) as refusal:
            return refusal
        try:
            return await self._count_request(key, credentials.guild, required_scope)
        except DbsbmError as refusal:
            return refusal

    async def _count_request(self, key: ApiKey, guild: bytes | None, required_scope: Scope) -> Caller:
        """Count the request before its scope is checked, so that refused requests use up the limit as well."""
        status = await self._limiter.take(*self._key_limit(key))
        key.require_scope(required_scope)
        guild_id = _guild_of(key, guild)
        if guild_id is not None:
            guild_status = await self._limiter.take(*self._guild_limit(guild_id))
            status = min(status, guild_status, key=lambda item: item.remaining)
        return Caller(key.key_id, guild_id, status)

    def _limits(self, key: ApiKey, guild_id: int | None) -> tuple[tuple[str, int], ...]:
        return (self._key_limit(key),) if guild_id is None else (self._key_limit(key), self._guild_limit(guild_id))

    def _key_limit(self, key: ApiKey) -> tuple[str, int]:
        """Name in the limiter, and requests per minute."""
        return f"key/{key.key_id}", self._settings.key_rate_limit

    def _guild_limit(self, guild_id: int) -> tuple[str, int]:
        return f"guild/{guild_id}", self._guilds.limit(guild_id)

    async def _count_failure(self, request: AsgiScope, refusal: UnknownKeyError) -> DbsbmError:
        try:
            await self._limiter.take(f"failed/{self._proxies.client(request)}", FAILURES_PER_MINUTE)
        except RateLimitError as limit_exceeded:
            return limit_exceeded
        return refusal


def credentials_of(request: AsgiScope) -> Credentials:
    """Return the key and the guild in the headers of a request."""
    key = guild = None
    for name, value in request["headers"]:
        if name == KEY_HEADER_BYTES:
            key = value.decode("latin-1")
        elif name == GUILD_HEADER_BYTES:
            guild = value
    return Credentials(key, guild)


def _guild_of(key: ApiKey, guild: bytes | None) -> int | None:
    """Return the guild of the header, or the key's own. Raises ScopeError if the key may not act for it."""
    guild_id = key.guild_id if guild is None else _parse_guild(guild)
    if guild_id is not None:
        key.require_guild(guild_id)
    return guild_id


def _parse_guild(text: bytes) -> int:
    if text.isdigit() and len(text) <= len(str(LARGEST_GUILD)) and 0 < int(text) <= LARGEST_GUILD:
        return int(text)
    raise ValidationError(f"{GUILD_NAME}: expected the id of a guild.", field=GUILD_NAME)

"""Who is let in, and how often: asked once per request, by the front or by the route, whichever meets it first."""

import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy.engine import Engine
from starlette.types import Scope as AsgiScope

from core.clock import Clock
from core.errors import AuthenticationError, DatabaseError, DbsbmError, RateLimitError, ServiceError, ValidationError
from core.settings import Settings
from feature_store.sources.bot.guild_settings import api_rate_limits
from serving.access.api_keys import LARGEST_GUILD, ApiKeys, Key, Scope, UnknownKeyError
from serving.access.client_address import TrustedProxies
from serving.access.rate_limiter import RateLimiter
from serving.backends.circuit_breaker import BreakerState
from serving.telemetry.caller import AdmissionResult, Caller
from serving.telemetry.trace import trace_of

KEY_NAME: Final = "X-API-Key"
GUILD_NAME: Final = "X-Guild-ID"
KEY_IN_HEAD: Final = KEY_NAME.lower().encode()
GUILD_IN_HEAD: Final = GUILD_NAME.lower().encode()

FAILURES_PER_MINUTE: Final = 20
"""Wrong keys that one address may show in a minute before it is told to wait. A good key is let in all the same, so
that nobody can lock out those who share an address with him; no key at all is no guess."""

GUILDS_SECONDS: Final = 30.0
MOST_SEEN: Final = 5_000
"""Good keys, with the guilds they speak for, that need not be looked at again until the keys change."""

NOBODY: Final = Caller(None)


class Credentials(NamedTuple):
    """The key and the guild that a request names."""

    key: str | None
    guild: bytes | None


class _CheckedKey(NamedTuple):
    """What was shown was good, by these keys."""

    ring: Mapping[str, Key]
    key: Key
    guild_id: int | None


class GuildRateLimits:
    """What each guild allows itself, read again every half minute; what was read last holds while MySQL is away."""

    def __init__(self, engine: Engine, usual: int) -> None:
        self._engine = engine
        self._usual = usual
        self._limits: Mapping[int, int] = {}
        self._read_at: float | None = None

    def step(self) -> bool:
        """Read them again if it is time. A database that is away changes nothing."""
        if self._read_at is None or time.monotonic() - self._read_at >= GUILDS_SECONDS:
            try:
                self._limits = api_rate_limits(self._engine)
            except DatabaseError:
                return False
            self._read_at = time.monotonic()
        return False

    def of(self, guild_id: int) -> int:
        """Requests per minute."""
        return self._limits.get(guild_id, self._usual)


class AdmissionControl:
    """Looks at the caller's key and at its limits. Where no keys are demanded, everybody is let in and nobody counted.

    Plain ASGI and in memory: a request costs microseconds, but for the few that fetch a further portion of their limit
    from Redis (serving/access/rate_limiter.py).
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
        self._seen: dict[tuple[Credentials, Scope], _CheckedKey] = {}

    async def admit(self, request: AsgiScope, demanded: Scope) -> Caller:
        """The caller, or the refusal as an error. Asking again about the same request gives the same answer.

        Raises AuthenticationError, ScopeError for a good key of other scopes or another guild, RateLimitError, and
        ValidationError for a guild that cannot be.
        """
        trace = trace_of(request)
        if trace.admission is None:
            trace.admission = await self._judge(request, demanded)
        if isinstance(trace.admission, DbsbmError):
            raise trace.admission
        return trace.admission

    def admit_at_once(self, shown: Credentials, demanded: Scope) -> Caller | None:
        """The caller, counted, if nobody has to be waited for and there is nothing to refuse; else nothing happened."""
        if not self._settings.demands_keys:
            return NOBODY
        good = self._good(shown, demanded)
        if good is None:
            return None
        standing = self._limiter.take_granted(self._names(good.key, good.guild_id))
        return None if standing is None else Caller(good.key.key_id, good.guild_id, standing)

    def step(self) -> bool:
        """Read keys and guilds' limits again; for a thread of its own."""
        self._guilds.step()
        return self._keys.step()

    @property
    def limits_breaker(self) -> BreakerState:
        """How the limits' connections to Redis are; closed without Redis."""
        return self._limiter.breaker_state

    async def open(self) -> None:
        """Before the first request."""
        await self._limiter.open()

    async def close(self) -> None:
        """Give the connections back."""
        await self._limiter.close()

    def _good(self, shown: Credentials, demanded: Scope) -> _CheckedKey | None:
        """What is shown, if it is good for the scope; looked at again whenever the keys have changed."""
        now = self._clock.now()
        good = self._seen.get((shown, demanded))
        if good is not None and good.ring is self._keys.ring and good.key.usable(now):
            return good
        try:
            key = self._keys.known(shown.key, now)
            key.must_have(demanded)
            good = _CheckedKey(self._keys.ring, key, _spoken_for(key, shown.guild))
        except DbsbmError:
            return None
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen[shown, demanded] = good
        return good

    async def _judge(self, request: AsgiScope, demanded: Scope) -> AdmissionResult:
        if not self._settings.demands_keys:
            return NOBODY
        sent, named = credentials_of(request)
        try:
            key = self._keys.known(sent, self._clock.now())
        except UnknownKeyError as refusal:
            return await self._failed(request, refusal)
        except (AuthenticationError, ServiceError) as refusal:
            return refusal
        try:
            return await self._counted(key, named, demanded)
        except DbsbmError as refusal:
            return refusal

    async def _counted(self, key: Key, named: bytes | None, demanded: Scope) -> Caller:
        """Counted before the scope is looked at: being refused is not free either."""
        standing = await self._limiter.take(*self._name(key))
        key.must_have(demanded)
        guild_id = _spoken_for(key, named)
        if guild_id is not None:
            of_guild = await self._limiter.take(*self._name_of_guild(guild_id))
            standing = min(standing, of_guild, key=lambda item: item.remaining)
        return Caller(key.key_id, guild_id, standing)

    def _names(self, key: Key, guild_id: int | None) -> tuple[tuple[str, int], ...]:
        return (self._name(key),) if guild_id is None else (self._name(key), self._name_of_guild(guild_id))

    def _name(self, key: Key) -> tuple[str, int]:
        """What the limiter calls it, and its limit."""
        return f"key/{key.key_id}", self._settings.key_rate_limit

    def _name_of_guild(self, guild_id: int) -> tuple[str, int]:
        return f"guild/{guild_id}", self._guilds.of(guild_id)

    async def _failed(self, request: AsgiScope, refusal: UnknownKeyError) -> DbsbmError:
        try:
            await self._limiter.take(f"failed/{self._proxies.client(request)}", FAILURES_PER_MINUTE)
        except RateLimitError as too_often:
            return too_often
        return refusal


def credentials_of(request: AsgiScope) -> Credentials:
    """What a request shows at the gate."""
    sent = named = None
    for name, value in request["headers"]:
        if name == KEY_IN_HEAD:
            sent = value.decode("latin-1")
        elif name == GUILD_IN_HEAD:
            named = value
    return Credentials(sent, named)


def _spoken_for(key: Key, named: bytes | None) -> int | None:
    """The guild that is named, or the key's own. Raises ScopeError if the key must not speak for it."""
    guild_id = key.guild_id if named is None else _guild(named)
    if guild_id is not None:
        key.must_be_of(guild_id)
    return guild_id


def _guild(named: bytes) -> int:
    if named.isdigit() and len(named) <= len(str(LARGEST_GUILD)) and 0 < int(named) <= LARGEST_GUILD:
        return int(named)
    raise ValidationError(f"{GUILD_NAME}: expected the id of a guild.", field=GUILD_NAME)

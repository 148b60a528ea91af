"""API keys: ``id.secret``, of which the database stores the id and the secret's SHA-256.

The secret has 256 random bits, so a plain hash is enough and no salt or slow hash is needed.
"""

import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, get_args

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.engine import Engine, RowMapping

from core.clock import CLOCK_TOLERANCE
from core.database.transactions import reading, writing
from core.errors import AuthenticationError, DatabaseError, ResourceNotFoundError, ServiceError, ValidationError
from core.logs import get_logger
from core.text.nearest import nearest
from serving.access.tables import api_keys
from serving.backends.last_known_good import LastKnownGood

Scope = Literal["predict", "insights", "train", "admin"]
"""*predict*: forecasts, games, prices and models; *insights*: statistics of users and guilds; *train*: start trainings;
*admin*: change which model versions are deployed."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
SERVICE_WIDE: Final[frozenset[Scope]] = frozenset(("train", "admin"))
"""Scopes whose requests change what every guild is answered."""

LARGEST_GUILD: Final = 2**63 - 1
INVALID_KEY: Final = "The key is unknown, expired or revoked."
DOCUMENT: Final = "keys"
RENEWALS: Final = 20
"""The keys on disk are written again after this fraction of the time for which they are valid, or a minute."""

UNKNOWN_ID_HASH: Final = sha256(b"unknown id").hexdigest()
"""Compared with the secret of an unknown id, so that it takes the same time as a known one."""

log = get_logger(__name__)


class UnknownKeyError(AuthenticationError):
    """A key that was never issued; possibly a guess."""


class ScopeError(AuthenticationError):
    """A valid key that does not permit this request."""


@dataclass(frozen=True)
class ApiKey:
    """An API key without its secret."""

    key_id: str
    owner: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    secret_sha256: str
    guild_id: int | None
    """The only guild that it may act for; None for any, as for the bot itself."""

    def is_active(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def require_scope(self, scope: Scope) -> None:
        """Raise ScopeError if the key does not have the scope, or is bound to a guild and would change others too."""
        if scope not in self.scopes:
            raise ScopeError(
                f"The key {self.key_id} does not have the scope {scope}.", hint="Use a key with that scope."
            )
        if self.guild_id is not None and scope in SERVICE_WIDE:
            msg = f"The key {self.key_id} is bound to a guild; a request with the scope {scope} changes every guild."
            raise ScopeError(msg, hint="Use a key that is not bound to a guild.")

    def require_guild(self, guild_id: int) -> None:
        """Raise ScopeError if the key belongs to another guild."""
        if self.guild_id not in (None, guild_id):
            raise ScopeError(f"The key {self.key_id} may not act for that guild.", hint="Use a key of that guild.")


class StoredApiKeys(BaseModel):
    """The keys as stored on disk, and when they were read from the database."""

    keys: tuple[ApiKey, ...]
    read_at: datetime


@dataclass(frozen=True)
class NewApiKey:
    """A key that was just created: ``text`` contains the secret, is shown once and cannot be recovered."""

    key_id: str
    text: str


def create_key(
    engine: Engine,
    *,
    owner: str,
    scopes: Iterable[str],
    expires_at: datetime | None,
    now: datetime,
    guild_id: int | None = None,
) -> NewApiKey:
    """Create a key, for one guild or for all.

    Raises ValidationError for an unknown scope or none, for an expiry that is not in the future, and for a guild id
    that Discord cannot have issued.
    """
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        msg = f"scopes: expected one or more of {', '.join(SCOPES)}, got {', '.join(unknown) or 'none'}."
        raise ValidationError(msg, field="scopes")
    if expires_at is not None and expires_at <= now:
        raise ValidationError("expires_at: must be in the future.", field="expires_at")
    if guild_id is not None and not 0 < guild_id <= LARGEST_GUILD:
        raise ValidationError(f"guild_id: expected 1 to {LARGEST_GUILD}, got {guild_id}.", field="guild_id")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = {
        "key_id": key_id,
        "secret_sha256": _digest(secret),
        "owner": owner,
        "scopes": " ".join(wanted),
        "created_at": now,
        "expires_at": expires_at,
        "guild_id": guild_id,
    }
    with writing(engine) as connection:
        connection.execute(sa.insert(api_keys), [row])
    return NewApiKey(key_id, f"{key_id}.{secret}")


def list_keys(engine: Engine) -> list[ApiKey]:
    """Return every key ever created, oldest first."""
    with reading(engine) as connection:
        rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)).mappings()
        return [_key(row) for row in rows]


def revoke_key(engine: Engine, key_id: str, now: datetime) -> ApiKey:
    """Revoke the key; a second call changes nothing. Raises ResourceNotFoundError with the nearest ids."""
    ids = [key.key_id for key in list_keys(engine)]
    if key_id not in ids:
        raise ResourceNotFoundError(f"There is no key {key_id!r}.", nearest=nearest(key_id, ids), resource_type="key")
    with writing(engine) as connection:
        is_unrevoked = (api_keys.c.key_id == key_id) & api_keys.c.revoked_at.is_(None)
        connection.execute(sa.update(api_keys).where(is_unrevoked).values(revoked_at=now))
    return next(key for key in list_keys(engine) if key.key_id == key_id)


class ApiKeys:
    """The keys in memory, read again every second; those read last apply while the database is unavailable.

    They are also on disk (hashes, no secrets), for a start without the database. Without it, keys that were read longer
    than ``limit`` ago open nothing, in memory or on disk: one of them may have been revoked since.
    """

    def __init__(self, engine: Engine, last_good: LastKnownGood, limit: timedelta) -> None:
        self._engine = engine
        self._last_good = last_good
        self._limit = limit
        self._renew_after = min(limit / RENEWALS, timedelta(minutes=1))
        self._keys: Mapping[str, ApiKey] = {}
        self._read_at: datetime | None = None
        """When the keys in memory were read from the database; None while there are none."""
        self._have_expired = False
        self._saved: tuple[Path, Mapping[str, ApiKey], datetime] | None = None
        """Folder, keys and their moment on disk; None until this process has written them."""

    @property
    def loaded(self) -> bool:
        """Whether keys are in memory that may be used."""
        return self._read_at is not None

    @property
    def why_not_loaded(self) -> str:
        """Why no keys are loaded, for callers."""
        return (
            "The API keys were read too long ago, and the database is unavailable."
            if self._have_expired
            else "The API keys are not loaded yet."
        )

    def step(self, now: datetime) -> bool:
        """Read the keys again; while the database is unavailable, those read last apply until they are too old."""
        try:
            keys = {key.key_id: key for key in list_keys(self._engine)}
        except DatabaseError:
            self._fall_back(now)
            return False
        self._put(keys, now)
        # Repeated until the write succeeds: with an old file, a revoked key would be valid again after a restart.
        folder = self._last_good.folder
        if self._is_save_due(folder, keys, now) and self._last_good.save(
            DOCUMENT, StoredApiKeys(keys=tuple(keys.values()), read_at=now)
        ):
            self._saved = folder, keys, now
        return False

    def _fall_back(self, now: datetime) -> None:
        if self._read_at is None:
            stored = self._last_good.load(DOCUMENT, StoredApiKeys)
            if stored is not None and self._is_usable(stored.read_at, now):
                self._put({key.key_id: key for key in stored.keys}, stored.read_at)
            elif stored is not None:
                self._expire(stored.read_at)
        elif not self._is_usable(self._read_at, now):
            self._expire(self._read_at)

    def _put(self, keys: Mapping[str, ApiKey], read_at: datetime) -> None:
        if keys != self._keys:
            self._keys = keys
        self._read_at, self._have_expired = read_at, False

    def _expire(self, read_at: datetime) -> None:
        if not self._have_expired:
            log.warning("API keys are too old to be accepted without the database", read_at=read_at)
        self._keys, self._read_at, self._have_expired = {}, None, True

    def _is_usable(self, read_at: datetime, now: datetime) -> bool:
        """Whether keys of that moment apply without the database; one in the future has no known age."""
        return -CLOCK_TOLERANCE <= now - read_at <= self._limit

    def _is_save_due(self, folder: Path, keys: Mapping[str, ApiKey], now: datetime) -> bool:
        if self._saved is None or self._saved[:2] != (folder, keys):
            return True
        return not timedelta(0) <= now - self._saved[2] < self._renew_after

    @property
    def by_id(self) -> Mapping[str, ApiKey]:
        """The keys by id; a new object whenever they have changed."""
        return self._keys

    def authenticate(self, text: str | None, now: datetime) -> ApiKey:
        """Return the key, if it was issued and is active.

        Raises AuthenticationError, UnknownKeyError for a key that was never issued, ServiceError while no keys are
        loaded. An unknown id and a wrong secret take the same time and give the same message.
        """
        if not text:
            raise AuthenticationError("API key required.", hint="Send it in the header X-API-Key.")
        if not self.loaded:
            raise ServiceError(self.why_not_loaded, hint="Try again later, or ask another instance.")
        key_id, _, secret = text.partition(".")
        key = self._keys.get(key_id)
        matches = hmac.compare_digest(_digest(secret), UNKNOWN_ID_HASH if key is None else key.secret_sha256)
        if key is None or not matches:
            raise UnknownKeyError(INVALID_KEY, hint="Request a new key.")
        if not key.is_active(now):
            raise AuthenticationError(INVALID_KEY, hint="Request a new key.")
        return key


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(**{**row, "scopes": frozenset(row["scopes"].split())})

"""Callers' keys: ``id.secret``, of which the database holds the id and the secret's SHA-256.

The secret has 256 random bits, so a plain hash is enough and no salt or slow hash is needed.
"""

import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal, get_args

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.engine import Engine, RowMapping

from core.database import reading, writing
from core.errors import AuthenticationError, DatabaseError, ResourceNotFoundError, ServiceError, ValidationError
from core.nearest import nearest
from serving.access.tables import api_keys
from serving.backends.last_known_good import LastKnownGood

Scope = Literal["predict", "insights", "train", "admin"]
"""*predict*: forecasts, games, prices and models; *insights*: what is said of users and guilds; *train*: have models
trained; *admin*: change what answers."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
LARGEST_GUILD: Final = 2**63 - 1
REFUSED: Final = "The key is unknown, expired or revoked."
DOCUMENT: Final = "keys"
NO_HASH: Final = sha256(b"nobody").hexdigest()


class UnknownKeyError(AuthenticationError):
    """A key that was never ours: perhaps a guess."""


class ScopeError(AuthenticationError):
    """A good key, but not for this route."""


@dataclass(frozen=True)
class Key:
    """What is known of a key; never its secret."""

    key_id: str
    owner: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    secret_sha256: str
    guild_id: int | None
    """The one guild that it may speak for; None for any, as the bot itself does."""

    def usable(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def must_have(self, scope: Scope) -> None:
        """Raises ScopeError if the key was not made for this."""
        if scope not in self.scopes:
            raise ScopeError(f"The key {self.key_id} may not {scope}.", hint="Ask for a key with that scope.")

    def must_be_of(self, guild_id: int) -> None:
        """Raises ScopeError if the key belongs to another guild."""
        if self.guild_id not in (None, guild_id):
            raise ScopeError(
                f"The key {self.key_id} may not speak for that guild.", hint="Ask for a key of that guild."
            )


class StoredApiKeys(BaseModel):
    """The keys as they lie on disk."""

    keys: tuple[Key, ...]


@dataclass(frozen=True)
class NewApiKey:
    """A key as its owner gets it: ``text`` is shown this once and cannot be had again."""

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
    """Make a key, for one guild or for all.

    Raises ValidationError for an unknown scope or none, for an expiry that is not ahead, and for a guild id that
    Discord cannot have given.
    """
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        msg = f"scopes: expected one or more of {', '.join(SCOPES)}, got {', '.join(unknown) or 'none'}."
        raise ValidationError(msg, field="scopes")
    if expires_at is not None and expires_at <= now:
        raise ValidationError("expires_at: must lie ahead.", field="expires_at")
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


def list_keys(engine: Engine) -> list[Key]:
    """Every key ever made, oldest first."""
    with reading(engine) as connection:
        rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)).mappings()
        return [_key(row) for row in rows]


def revoke_key(engine: Engine, key_id: str, now: datetime) -> Key:
    """Refuse the key from now on; a second time changes nothing. Raises ResourceNotFoundError with the nearest ids."""
    known = {key.key_id: key for key in list_keys(engine)}
    if key_id not in known:
        raise ResourceNotFoundError(f"There is no key {key_id!r}.", nearest=nearest(key_id, known), resource_type="key")
    with writing(engine) as connection:
        still_good = (api_keys.c.key_id == key_id) & api_keys.c.revoked_at.is_(None)
        connection.execute(sa.update(api_keys).where(still_good).values(revoked_at=now))
    return next(key for key in list_keys(engine) if key.key_id == key_id)


class ApiKeys:
    """The keys in memory, read again every second; those read last hold while the database is away.

    They also lie on disk (hashes, no secrets), for a start without the database.
    """

    def __init__(self, engine: Engine, last_good: LastKnownGood) -> None:
        self._engine = engine
        self._last_good = last_good
        self._keys: Mapping[str, Key] = {}
        self.known_yet = False
        """Whether the keys were ever read, from the database or the disk."""
        self._kept: Mapping[str, Key] | None = None
        """What is on disk, as far as this process wrote it."""

    def step(self) -> bool:
        """Read the keys again. A database that is away changes nothing."""
        try:
            keys = {key.key_id: key for key in list_keys(self._engine)}
        except DatabaseError:
            if not self.known_yet and (stored := self._last_good.load(DOCUMENT, StoredApiKeys)) is not None:
                self._keys, self.known_yet = {key.key_id: key for key in stored.keys}, True
            return False
        if keys != self._keys:
            self._keys = keys
        self.known_yet = True
        # Until the disk has taken it: one that did not would bring a revoked key back with the next start.
        if keys != self._kept and self._last_good.keep(DOCUMENT, StoredApiKeys(keys=tuple(keys.values()))):
            self._kept = keys
        return False

    @property
    def ring(self) -> Mapping[str, Key]:
        """The keys by id; another object whenever they have changed."""
        return self._keys

    def known(self, text: str | None, now: datetime) -> Key:
        """The key, if it is one of ours and good at this moment.

        Raises AuthenticationError, UnknownKeyError for one that was never issued, ServiceError while no keys were read
        yet. An unknown id and a wrong secret cost the same time and read the same.
        """
        if not text:
            raise AuthenticationError("This route demands a key.", hint="Send it as the header X-API-Key.")
        if not self.known_yet:
            raise ServiceError("The keys were not read yet.", hint="Ask again later, or another instance.")
        key_id, _, secret = text.partition(".")
        key = self._keys.get(key_id)
        matches = hmac.compare_digest(_digest(secret), NO_HASH if key is None else key.secret_sha256)
        if key is None or not matches:
            raise UnknownKeyError(REFUSED, hint="Ask for a new one.")
        if not key.usable(now):
            raise AuthenticationError(REFUSED, hint="Ask for a new one.")
        return key


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _key(row: RowMapping) -> Key:
    return Key(**{**row, "scopes": frozenset(row["scopes"].split())})

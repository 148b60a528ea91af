"""Settings of a service that requires keys, and keys for it."""

from datetime import timedelta

from sqlalchemy.engine import Engine

from core.settings import Settings
from core.signing import KEY_FILE
from serving.access.api_keys import create_key
from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.service import settings_for


def production_settings(world: World, **overrides: object) -> Settings:
    """Settings of production over a world whose bundles development has signed."""
    signing_key = (world.store.parent / KEY_FILE).read_text()
    return settings_for(world.engine, world.store, dbsbm_env="production", signing_key=signing_key, **overrides)


def make_key(engine: Engine, *scopes: str, days: int = 1, guild_id: int | None = None) -> str:
    """Create a key and return its text."""
    expires_at = NOW + timedelta(days=days)
    return create_key(engine, owner="bot", scopes=scopes, expires_at=expires_at, now=NOW, guild_id=guild_id).text

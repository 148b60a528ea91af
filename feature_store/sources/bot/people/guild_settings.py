"""Settings of guilds in the bot that the service obeys."""

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.transactions import reading
from feature_store.sources.bot.people import tables


def api_rate_limits(engine: Engine) -> dict[int, int]:
    """Requests per minute that each guild allows itself, as last known; guilds without a limit are left out.

    Raises DatabaseError.
    """
    guilds = tables.guilds
    newest = (
        sa.select(guilds.c.guild_id, sa.func.max(guilds.c.known_at).label("known_at"))
        .group_by(guilds.c.guild_id)
        .subquery()
    )
    query = (
        sa.select(guilds.c.guild_id, guilds.c.api_rate_limit)
        .join(newest, (guilds.c.guild_id == newest.c.guild_id) & (guilds.c.known_at == newest.c.known_at))
        .where(guilds.c.api_rate_limit.is_not(None))
    )
    with reading(engine) as connection:
        return {guild_id: max(0, limit) for guild_id, limit in connection.execute(query)}

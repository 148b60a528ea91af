"""Tables of what the bot's users and guilds allow, and of the bets of users who consent.

Consents and guild settings are append-only. Bets are the one kind of fact that is deleted, when consent is withdrawn.
"""

from typing import Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS, LongText, UtcDateTime
from feature_store.archive.tables import known_at

consents: Final = sa.Table(
    "archive_consents",
    METADATA,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Discord user id"),
    known_at(),
    sa.Column(
        "analytics_consent",
        sa.Boolean,
        nullable=False,
        comment="1 if the user allows that bets are kept and analysed; 0 deletes them",
    ),
    sa.Column("ml_recommendations_enabled", sa.Boolean, nullable=False, comment="1 if the user wants recommendations"),
    sa.Index(None, "known_at"),
    **TABLE_OPTIONS,
)
"""What users consent to: a row for each change, kept as proof."""

guilds: Final = sa.Table(
    "archive_guilds",
    METADATA,
    sa.Column("guild_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Discord guild id"),
    known_at(),
    sa.Column("ml_features_enabled", sa.Boolean, nullable=False, comment="1 if the guild has switched forecasts on"),
    sa.Column("analytics_enabled", sa.Boolean, nullable=False, comment="1 if the guild has switched analytics on"),
    sa.Column(
        "api_rate_limit",
        sa.Integer,
        comment="API requests per minute that the guild allows itself; NULL if it sets none",
    ),
    sa.Column("subscription_level", sa.String(20), comment="Subscription level in the words of the bot; NULL if none"),
    sa.Index(None, "known_at"),
    **TABLE_OPTIONS,
)
"""Settings of guilds: a row for each change."""

bets: Final = sa.Table(
    "archive_bets",
    METADATA,
    sa.Column(
        "bet_serial", sa.BigInteger, primary_key=True, autoincrement=False, comment="Serial number that the bot gave it"
    ),
    known_at(),
    sa.Column("user_id", sa.BigInteger, nullable=False, comment="Discord user id of the bettor"),
    sa.Column("guild_id", sa.BigInteger, nullable=False, comment="Discord guild id in which the bet was placed"),
    sa.Column("placed_at", UtcDateTime, comment="UTC moment at which the bet was placed; NULL if not readable"),
    sa.Column(
        "settled_at",
        UtcDateTime,
        comment="UTC moment at which the settled row was last changed, the nearest thing to a settlement time",
    ),
    sa.Column("bet_type", sa.String(16), nullable=False, comment="game_line, player_prop, parlay or other"),
    sa.Column("league", sa.String(32), comment="League key; NULL for a league that is not configured"),
    sa.Column("odds_american", sa.Double, comment="American odds at which the bet was placed; NULL if not readable"),
    sa.Column("units", sa.Double, nullable=False, comment="Stake in units"),
    sa.Column(
        "status",
        sa.String(16),
        nullable=False,
        comment="pending, live, won, lost, push or other, as the author or a moderator set it; not graded by us",
    ),
    sa.Column("result_value", sa.Double, comment="Profit in units, net of the stake; NULL before settlement"),
    sa.Column("game_id", sa.String(120), comment="Game that the bet is on; NULL for manual bets and parlays"),
    sa.Column("selection", sa.String(8), comment="home, away, draw, over or under; NULL where it is not clear"),
    sa.Column(
        "legs",
        LongText,
        comment="Of a parlay: JSON list of objects with league, game_id, selection and odds_american; else NULL",
    ),
    sa.Index(None, "user_id"),
    sa.Index(None, "known_at"),
    **TABLE_OPTIONS,
)
"""Bets of users who consent to analytics; deleted when the consent is withdrawn."""

"""The tables of this room. Archive tables are append-only: a correction is a further row with a later ``known_at``."""

from typing import Any, Final

import sqlalchemy as sa

from core.database import METADATA, TABLE_OPTIONS, LongText, UtcDateTime


def _game_key() -> tuple[sa.Column[Any], ...]:
    """Natural key of a game; ids are unique only within a league of a sport."""
    return (
        sa.Column("sport", sa.String(32), primary_key=True),
        sa.Column("league", sa.String(32), primary_key=True),
        sa.Column("game_id", sa.String(120), primary_key=True),
    )


def _origin() -> tuple[sa.Column[Any], ...]:
    """Who said so, and when the row was written (for audits only: no feature reads it)."""
    return (
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
    )


games: Final = sa.Table(
    "archive_games",
    METADATA,
    *_game_key(),
    sa.Column("known_at", UtcDateTime, primary_key=True),
    sa.Column("season", sa.Integer, nullable=False),
    sa.Column("start_at", UtcDateTime, nullable=False),
    sa.Column("date_only", sa.Boolean, nullable=False),
    sa.Column("home_team", sa.String(150), nullable=False),
    sa.Column("away_team", sa.String(150), nullable=False),
    sa.Column("neutral", sa.Boolean, nullable=False),
    sa.Column("playoff", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    *_origin(),
    sa.Index(None, "sport", "league", "start_at"),
    sa.Index(None, "sport", "league", "source", "recorded_at"),
    **TABLE_OPTIONS,
)

results: Final = sa.Table(
    "archive_results",
    METADATA,
    *_game_key(),
    sa.Column("known_at", UtcDateTime, primary_key=True),
    sa.Column("finished_at", UtcDateTime, nullable=False),
    sa.Column("home_score", sa.Integer),
    sa.Column("away_score", sa.Integer),
    sa.Column("home_score_regulation", sa.Integer),
    sa.Column("away_score_regulation", sa.Integer),
    sa.Column("home_shots", sa.Integer),
    sa.Column("away_shots", sa.Integer),
    sa.Column("home_shots_on_target", sa.Integer),
    sa.Column("away_shots_on_target", sa.Integer),
    *_origin(),
    sa.Index(None, "sport", "league", "source", "recorded_at"),
    sa.Index("ix_archive_results_finished", "sport", "league", "finished_at"),
    **TABLE_OPTIONS,
)

quotes: Final = sa.Table(
    "archive_quotes",
    METADATA,
    *_game_key(),
    sa.Column("book", sa.String(64), primary_key=True),
    sa.Column("moment", sa.String(8), primary_key=True),
    sa.Column("known_at", UtcDateTime, primary_key=True),
    sa.Column("quoted_at", UtcDateTime, nullable=False),
    sa.Column("odds_home", sa.Double),
    sa.Column("odds_draw", sa.Double),
    sa.Column("odds_away", sa.Double),
    sa.Column("spread_line", sa.Double),
    sa.Column("total_line", sa.Double),
    sa.Column("odds_over", sa.Double),
    sa.Column("odds_under", sa.Double),
    *_origin(),
    sa.Index(None, "sport", "league", "source", "recorded_at"),
    **TABLE_OPTIONS,
)

changes: Final = sa.Table(
    "archive_changes",
    METADATA,
    sa.Column("sport", sa.String(32), primary_key=True),
    sa.Column("league", sa.String(32), primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("game_id", sa.String(120), primary_key=True),
    sa.Column("known_from", UtcDateTime, nullable=False),
    sa.Column("known_until", UtcDateTime, nullable=False),
    **TABLE_OPTIONS,
)
"""Of which games something new was written, transaction by transaction, and from when to when it became known."""

quarantine: Final = sa.Table(
    "archive_quarantine",
    METADATA,
    sa.Column("entry_id", sa.String(64), primary_key=True),
    sa.Column("source", sa.String(80), nullable=False),
    sa.Column("place", sa.String(255), nullable=False),
    sa.Column("fact", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sa.Column("content", LongText, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Index(None, "source"),
    **TABLE_OPTIONS,
)

team_aliases: Final = sa.Table(
    "team_aliases",
    METADATA,
    sa.Column("sport", sa.String(32), primary_key=True),
    sa.Column("league", sa.String(32), primary_key=True),
    sa.Column("alias", sa.String(150), primary_key=True),
    sa.Column("team", sa.String(150), nullable=False),
    *_origin(),
    **TABLE_OPTIONS,
)

game_links: Final = sa.Table(
    "game_links",
    METADATA,
    *_game_key(),
    sa.Column("recorded_at", UtcDateTime, primary_key=True),
    sa.Column("same_as", sa.String(120)),
    sa.Column("source", sa.String(80), nullable=False),
    **TABLE_OPTIONS,
)
"""Decisions that a game's facts are another's, too; the last one counts, one without ``same_as`` takes it back."""

consents: Final = sa.Table(
    "archive_consents",
    METADATA,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("known_at", UtcDateTime, primary_key=True),
    sa.Column("analytics_consent", sa.Boolean, nullable=False),
    sa.Column("ml_recommendations_enabled", sa.Boolean, nullable=False),
    sa.Index(None, "known_at"),
    **TABLE_OPTIONS,
)

guilds: Final = sa.Table(
    "archive_guilds",
    METADATA,
    sa.Column("guild_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("known_at", UtcDateTime, primary_key=True),
    sa.Column("ml_features_enabled", sa.Boolean, nullable=False),
    sa.Column("analytics_enabled", sa.Boolean, nullable=False),
    sa.Column("api_rate_limit", sa.Integer),
    sa.Column("subscription_level", sa.String(20)),
    sa.Index(None, "known_at"),
    **TABLE_OPTIONS,
)

bets: Final = sa.Table(
    "archive_bets",
    METADATA,
    sa.Column("bet_serial", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("known_at", UtcDateTime, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("guild_id", sa.BigInteger, nullable=False),
    sa.Column("placed_at", UtcDateTime),
    sa.Column("settled_at", UtcDateTime),
    sa.Column("bet_type", sa.String(16), nullable=False),
    sa.Column("league", sa.String(32)),
    sa.Column("odds_american", sa.Double),
    sa.Column("units", sa.Double, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("result_value", sa.Double),
    sa.Column("game_id", sa.String(120)),
    sa.Column("selection", sa.String(8)),
    sa.Column("legs", LongText),
    sa.Index(None, "user_id"),
    sa.Index(None, "known_at"),
    **TABLE_OPTIONS,
)
"""Only of users who consent to analytics; the one table of the archive from which rows are deleted."""

rungs: Final = sa.Table(
    "feature_rungs",
    METADATA,
    sa.Column("sport", sa.String(32), primary_key=True),
    sa.Column("league", sa.String(32), primary_key=True),
    sa.Column("horizon", UtcDateTime, primary_key=True),
    sa.Column("settled_at", UtcDateTime, nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("body", LongText, nullable=False),
    **TABLE_OPTIONS,
)
"""A league's state after all games that ended by ``horizon``, from which a build goes on."""

states: Final = sa.Table(
    "feature_states",
    METADATA,
    sa.Column("sport", sa.String(32), primary_key=True),
    sa.Column("league", sa.String(32), primary_key=True),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("games", sa.Integer, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("body", LongText, nullable=False),
    **TABLE_OPTIONS,
)

rows: Final = sa.Table(
    "feature_rows",
    METADATA,
    *_game_key(),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("catalogue", sa.String(64), nullable=False),
    sa.Column("season", sa.Integer, nullable=False),
    sa.Column("start_at", UtcDateTime, nullable=False),
    sa.Column("date_only", sa.Boolean, nullable=False),
    sa.Column("home_team", sa.String(150), nullable=False),
    sa.Column("away_team", sa.String(150), nullable=False),
    sa.Column("neutral", sa.Boolean, nullable=False),
    sa.Column("playoff", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("features", LongText, nullable=False),
    sa.Column("prices", LongText, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Index(None, "start_at"),
    sa.Index(None, "league", "start_at"),
    **TABLE_OPTIONS,
)

snapshot_manifests: Final = sa.Table(
    "snapshot_manifests",
    METADATA,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("sport", sa.String(32), nullable=False),
    sa.Column("league", sa.String(32), nullable=False),
    sa.Column("known_by", UtcDateTime, nullable=False),
    sa.Column("body", LongText, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Index(None, "recorded_at"),
    **TABLE_OPTIONS,
)

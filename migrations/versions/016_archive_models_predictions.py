"""Archive, features' states and rows, models, predictions, keys"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "016"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLE_OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("scopes", sa.String(length=120), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "archive_bets",
        sa.Column("bet_serial", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("known_at", MOMENT, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("placed_at", MOMENT, nullable=True),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("bet_type", sa.String(length=16), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=True),
        sa.Column("odds_american", sa.Double(), nullable=True),
        sa.Column("units", sa.Double(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("result_value", sa.Double(), nullable=True),
        sa.Column("game_id", sa.String(length=120), nullable=True),
        sa.PrimaryKeyConstraint("bet_serial", "known_at", name="pk_archive_bets"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_archive_bets_user_id", "archive_bets", ["user_id"], unique=False)
    op.create_table(
        "archive_consents",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("known_at", MOMENT, nullable=False),
        sa.Column("analytics_consent", sa.Boolean(), nullable=False),
        sa.Column("ml_recommendations_enabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "known_at", name="pk_archive_consents"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "archive_games",
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("game_id", sa.String(length=120), nullable=False),
        sa.Column("known_at", MOMENT, nullable=False),
        sa.Column("season", sa.Integer(), nullable=False),
        sa.Column("start_at", MOMENT, nullable=False),
        sa.Column("date_only", sa.Boolean(), nullable=False),
        sa.Column("home_team", sa.String(length=150), nullable=False),
        sa.Column("away_team", sa.String(length=150), nullable=False),
        sa.Column("neutral", sa.Boolean(), nullable=False),
        sa.Column("playoff", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sport", "league", "game_id", "known_at", name="pk_archive_games"),
        **TABLE_OPTIONS,
    )
    op.create_index(
        "ix_archive_games_sport_league_start_at", "archive_games", ["sport", "league", "start_at"], unique=False
    )
    op.create_index(
        "ix_archive_games_sport_league_source_recorded_at",
        "archive_games",
        ["sport", "league", "source", "recorded_at"],
        unique=False,
    )
    op.create_table(
        "archive_guilds",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("known_at", MOMENT, nullable=False),
        sa.Column("ml_features_enabled", sa.Boolean(), nullable=False),
        sa.Column("analytics_enabled", sa.Boolean(), nullable=False),
        sa.Column("api_rate_limit", sa.Integer(), nullable=True),
        sa.Column("subscription_level", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("guild_id", "known_at", name="pk_archive_guilds"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "archive_quarantine",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("fact", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("content", LONG_TEXT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_archive_quarantine"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_archive_quarantine_source", "archive_quarantine", ["source"], unique=False)
    op.create_table(
        "archive_quotes",
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("game_id", sa.String(length=120), nullable=False),
        sa.Column("book", sa.String(length=64), nullable=False),
        sa.Column("moment", sa.String(length=8), nullable=False),
        sa.Column("known_at", MOMENT, nullable=False),
        sa.Column("quoted_at", MOMENT, nullable=False),
        sa.Column("odds_home", sa.Double(), nullable=True),
        sa.Column("odds_draw", sa.Double(), nullable=True),
        sa.Column("odds_away", sa.Double(), nullable=True),
        sa.Column("spread_line", sa.Double(), nullable=True),
        sa.Column("total_line", sa.Double(), nullable=True),
        sa.Column("odds_over", sa.Double(), nullable=True),
        sa.Column("odds_under", sa.Double(), nullable=True),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sport", "league", "game_id", "book", "moment", "known_at", name="pk_archive_quotes"),
        **TABLE_OPTIONS,
    )
    op.create_index(
        "ix_archive_quotes_sport_league_source_recorded_at",
        "archive_quotes",
        ["sport", "league", "source", "recorded_at"],
        unique=False,
    )
    op.create_table(
        "archive_results",
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("game_id", sa.String(length=120), nullable=False),
        sa.Column("known_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=False),
        sa.Column("home_score", sa.Integer(), nullable=True),
        sa.Column("away_score", sa.Integer(), nullable=True),
        sa.Column("home_score_regulation", sa.Integer(), nullable=True),
        sa.Column("away_score_regulation", sa.Integer(), nullable=True),
        sa.Column("home_shots", sa.Integer(), nullable=True),
        sa.Column("away_shots", sa.Integer(), nullable=True),
        sa.Column("home_shots_on_target", sa.Integer(), nullable=True),
        sa.Column("away_shots_on_target", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sport", "league", "game_id", "known_at", name="pk_archive_results"),
        **TABLE_OPTIONS,
    )
    op.create_index(
        "ix_archive_results_sport_league_source_recorded_at",
        "archive_results",
        ["sport", "league", "source", "recorded_at"],
        unique=False,
    )
    op.create_table(
        "feature_rows",
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("game_id", sa.String(length=120), nullable=False),
        sa.Column("as_of", MOMENT, nullable=False),
        sa.Column("catalogue", sa.String(length=64), nullable=False),
        sa.Column("season", sa.Integer(), nullable=False),
        sa.Column("start_at", MOMENT, nullable=False),
        sa.Column("date_only", sa.Boolean(), nullable=False),
        sa.Column("home_team", sa.String(length=150), nullable=False),
        sa.Column("away_team", sa.String(length=150), nullable=False),
        sa.Column("neutral", sa.Boolean(), nullable=False),
        sa.Column("playoff", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("features", LONG_TEXT, nullable=False),
        sa.Column("prices", LONG_TEXT, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sport", "league", "game_id", name="pk_feature_rows"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_feature_rows_league_start_at", "feature_rows", ["league", "start_at"], unique=False)
    op.create_index("ix_feature_rows_start_at", "feature_rows", ["start_at"], unique=False)
    op.create_table(
        "feature_states",
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("as_of", MOMENT, nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("games", sa.Integer(), nullable=False),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("sport", "league", name="pk_feature_states"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "model_deployments",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("champion", sa.Integer(), nullable=True),
        sa.Column("challenger", sa.Integer(), nullable=True),
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_model_deployments"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "model_versions",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("variant", sa.String(length=16), nullable=False),
        sa.Column("recipe", sa.String(length=80), nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), nullable=False),
        sa.Column("features", sa.String(length=64), nullable=False),
        sa.Column("snapshot_sha256", sa.String(length=64), nullable=False),
        sa.Column("trained_until", MOMENT, nullable=False),
        sa.Column("registered_at", MOMENT, nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("scores", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name="pk_model_versions"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_model_versions_sport_league", "model_versions", ["sport", "league"], unique=False)
    op.create_table(
        "prediction_log",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("served_at", MOMENT, nullable=False),
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("game_id", sa.String(length=120), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("features", sa.String(length=64), nullable=False),
        sa.Column("as_of", MOMENT, nullable=False),
        sa.Column("p_home", sa.Double(), nullable=False),
        sa.Column("p_draw", sa.Double(), nullable=True),
        sa.Column("p_away", sa.Double(), nullable=False),
        sa.Column("margin", sa.Double(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("cache", sa.String(length=16), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_prediction_log"),
        sa.UniqueConstraint(
            "request_id", "sport", "league", "game_id", name="uq_prediction_log_request_id_sport_league_game_id"
        ),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_prediction_log_served_at", "prediction_log", ["served_at"], unique=False)
    op.create_index(
        "ix_prediction_log_sport_league_game_id", "prediction_log", ["sport", "league", "game_id"], unique=False
    )
    op.create_table(
        "snapshot_manifests",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("known_by", MOMENT, nullable=False),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_snapshot_manifests"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_snapshot_manifests_recorded_at", "snapshot_manifests", ["recorded_at"], unique=False)
    op.create_table(
        "team_aliases",
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("alias", sa.String(length=150), nullable=False),
        sa.Column("team", sa.String(length=150), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sport", "league", "alias", name="pk_team_aliases"),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("team_aliases")
    op.drop_table("snapshot_manifests")
    op.drop_table("prediction_log")
    op.drop_table("model_versions")
    op.drop_table("model_deployments")
    op.drop_table("feature_states")
    op.drop_table("feature_rows")
    op.drop_table("archive_results")
    op.drop_table("archive_quotes")
    op.drop_table("archive_quarantine")
    op.drop_table("archive_guilds")
    op.drop_table("archive_games")
    op.drop_table("archive_consents")
    op.drop_table("archive_bets")
    op.drop_table("api_keys")

"""A change log of the archive, and saved states: features are built from new facts only"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "017"
down_revision = "016"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
TABLE_OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "archive_changes",
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("game_id", sa.String(length=120), nullable=False),
        sa.Column("known_from", MOMENT, nullable=False),
        sa.Column("known_until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sport", "league", "revision", "game_id", name="pk_archive_changes"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "feature_rungs",
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("horizon", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT, nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("sport", "league", "horizon", name="pk_feature_rungs"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_archive_results_finished", "archive_results", ["sport", "league", "finished_at"])
    op.add_column("feature_states", sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("feature_states", "revision")
    op.drop_index("ix_archive_results_finished", "archive_results")
    op.drop_table("feature_rungs")
    op.drop_table("archive_changes")

"""People decide which two ids are one game; bets keep what they and their legs back"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "021"
down_revision = "020"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
TABLE_OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "game_links",
        sa.Column("sport", sa.String(length=32), nullable=False),
        sa.Column("league", sa.String(length=32), nullable=False),
        sa.Column("game_id", sa.String(length=120), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("same_as", sa.String(length=120), nullable=True),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("sport", "league", "game_id", "recorded_at", name="pk_game_links"),
        **TABLE_OPTIONS,
    )
    op.add_column("archive_bets", sa.Column("selection", sa.String(length=8), nullable=True))
    op.add_column("archive_bets", sa.Column("legs", LONG_TEXT, nullable=True))


def downgrade() -> None:
    op.drop_column("archive_bets", "legs")
    op.drop_column("archive_bets", "selection")
    op.drop_table("game_links")

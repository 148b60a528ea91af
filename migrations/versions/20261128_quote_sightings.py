"""A table that says when each book's prices were last shown"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261128_quote_sightings"
down_revision = "20261128_quote_prices"
branch_labels = None
depends_on = None

ON_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    limit_lock_wait()
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    op.create_table(
        "quote_sightings",
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport, in lower case: soccer, ice_hockey"),
        sa.Column("league", sa.String(32), primary_key=True, comment="Key of the league within the sport: EPL, NHL"),
        sa.Column(
            "game_id",
            sa.String(120),
            primary_key=True,
            comment="Id of the game as its source gives it; unique only within the league",
        ),
        sa.Column("book", sa.String(64), primary_key=True, comment="Bookmaker whose prices a live source showed"),
        sa.Column("seen_at", moment, nullable=False, comment="UTC moment of the last look that showed them"),
        sa.Column(
            "quoted_at",
            moment,
            nullable=False,
            comment="UTC moment of the prices by the clock of the source in that look: their age counts from it",
        ),
        sa.Column("source", sa.String(80), nullable=False, comment="Source of that look"),
        if_not_exists=True,
        **ON_MYSQL,
    )


def downgrade() -> None:
    limit_lock_wait()
    op.drop_table("quote_sightings", if_exists=True)


def limit_lock_wait() -> None:
    """Fail after 5 seconds rather than wait for a long transaction, since every later query of the table waits, too."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute("SET SESSION lock_wait_timeout = 5")

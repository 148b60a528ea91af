"""A table of the quotes that servers read"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261128_league_quotes"
down_revision = "20261128_quote_sightings"
branch_labels = None
depends_on = None

ON_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    limit_lock_wait()
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    op.create_table(
        "league_quotes",
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport, in lower case: soccer, ice_hockey"),
        sa.Column("league", sa.String(32), primary_key=True, comment="Key of the league within the sport: EPL, NHL"),
        sa.Column("as_of", moment, nullable=False, comment="UTC moment at which they were read from the archive"),
        sa.Column(
            "body",
            sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"),
            nullable=False,
            comment="JSON: by game to come a list per book: name, UTC moment, whether it may be displayed, "
            "odds and lines",
        ),
        if_not_exists=True,
        **ON_MYSQL,
    )


def downgrade() -> None:
    limit_lock_wait()
    op.drop_table("league_quotes", if_exists=True)


def limit_lock_wait() -> None:
    """Fail after 5 seconds rather than wait for a long transaction, since every later query of the table waits, too."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute("SET SESSION lock_wait_timeout = 5")

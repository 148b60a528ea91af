"""What the terms of each source allow with its facts: whether its prices may be shown, and its facts given away"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261128_source_terms"
down_revision = "20261128_who_matched"
branch_labels = None
depends_on = None

ON_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    limit_lock_wait()
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    op.create_table(
        "source_terms",
        sa.Column(
            "source", sa.String(80), primary_key=True, comment="Source of facts, as the archive's tables name it"
        ),
        sa.Column(
            "display",
            sa.Boolean,
            nullable=False,
            comment="1 if its prices may be shown to users; else only in forecasts",
        ),
        sa.Column(
            "republish",
            sa.Boolean,
            nullable=False,
            comment="1 if its facts may be given to third parties, as in an export",
        ),
        sa.Column(
            "recorded_at", moment, nullable=False, comment="UTC moment at which the terms were last set otherwise"
        ),
        if_not_exists=True,
        **ON_MYSQL,
    )


def downgrade() -> None:
    limit_lock_wait()
    # The terms are lost; the next look of the collector writes them again.
    op.drop_table("source_terms", if_exists=True)


def limit_lock_wait() -> None:
    """Fail after 5 seconds rather than wait for a long transaction, since every later query of the table waits, too."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute("SET SESSION lock_wait_timeout = 5")

"""Columns for the prices of spreads and of both teams scoring"""

import sqlalchemy as sa
from alembic import op

revision = "20261128_quote_prices"
down_revision = "20261128_text_charset"
branch_labels = None
depends_on = None

PRICES = {
    "odds_home_spread": "Decimal odds of a home margin above spread_line; NULL if not shown",
    "odds_away_spread": "Decimal odds of a home margin below spread_line; NULL if not shown",
    "odds_both_score": "Decimal odds that both teams score; NULL if not shown",
    "odds_not_both_score": "Decimal odds that not both teams score; NULL if not shown",
}


def upgrade() -> None:
    limit_lock_wait()
    for name, comment in PRICES.items():
        op.add_column("archive_quotes", sa.Column(name, sa.Double, comment=comment))


def downgrade() -> None:
    limit_lock_wait()
    # These prices are lost with their columns.
    with op.batch_alter_table("archive_quotes") as table:
        for name in PRICES:
            table.drop_column(name)


def limit_lock_wait() -> None:
    """Fail after 5 seconds rather than wait for a long transaction, since every later query of the table waits, too."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute("SET SESSION lock_wait_timeout = 5")

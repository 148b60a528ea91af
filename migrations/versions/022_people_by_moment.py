"""What was learned of people after a moment is found by an index: the snapshot asks for it every minute"""

from alembic import op

revision = "022"
down_revision = "021"
branch_labels = None
depends_on = None

TABLES = ("archive_consents", "archive_guilds", "archive_bets")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(f"ix_{table}_known_at", table, ["known_at"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_index(f"ix_{table}_known_at", table)

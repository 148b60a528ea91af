"""A table for the identity of the database, which its servers name their files on disk after."""

import sqlalchemy as sa
from alembic import op

revision = "20261128_database_identity"
down_revision = "20261128_column_comments"
branch_labels = None
depends_on = None

ON_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    limit_lock_wait()
    op.create_table(
        "database_identity",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False, comment="Always 1: the table holds one row"),
        sa.Column(
            "identity",
            sa.String(32),
            nullable=False,
            comment="Random name of this database, in hex: servers name their files on disk after it, "
            "whatever its address",
        ),
        if_not_exists=True,
        **ON_MYSQL,
    )


def downgrade() -> None:
    limit_lock_wait()
    # The identity is lost: servers name their files by the address again, as earlier versions do.
    op.drop_table("database_identity", if_exists=True)


def limit_lock_wait() -> None:
    """Fail after 5 seconds rather than wait for a long transaction, since every later query of the table waits, too."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute("SET SESSION lock_wait_timeout = 5")

"""What each version lost on the games it had not learnt from, for the promotion gate"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "018"
down_revision = "017"
branch_labels = None
depends_on = None

LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
TABLE_OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "model_held_out",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name="pk_model_held_out"),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("model_held_out")

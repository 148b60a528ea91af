"""Every served prediction has an id of its own; shadows are logged beside; workers say which models they have"""

import sqlalchemy as sa
from alembic import op

revision = "020"
down_revision = "019"
branch_labels = None
depends_on = None

TABLE_OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
OLD_KEY = "uq_prediction_log_request_id_sport_league_game_id"
LOG = sa.table(
    "prediction_log",
    sa.column("id", sa.BigInteger),
    sa.column("served_id", sa.String),
    sa.column("shadow", sa.Boolean),
    *(sa.column(name, sa.String) for name in ("request_id", "sport", "league", "game_id")),
)


def upgrade() -> None:
    op.add_column("prediction_log", sa.Column("served_id", sa.String(length=40), nullable=True))
    op.add_column("prediction_log", sa.Column("shadow", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(sa.update(LOG).values(served_id=sa.literal("before-020-").concat(sa.cast(LOG.c.id, sa.String(20)))))
    with op.batch_alter_table("prediction_log") as table:
        table.alter_column("served_id", existing_type=sa.String(length=40), nullable=False)
        table.create_unique_constraint("uq_prediction_log_served_id", ["served_id"])
        table.drop_constraint(OLD_KEY, type_="unique")
        table.create_index("ix_prediction_log_request_id", ["request_id"])
    op.create_table(
        "serving_workers",
        sa.Column("worker", sa.String(length=80), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("worker", name="pk_serving_workers"),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("serving_workers")
    op.execute(sa.delete(LOG).where(LOG.c.shadow))
    connection = op.get_bind()
    same = [LOG.c.request_id, LOG.c.sport, LOG.c.league, LOG.c.game_id]
    first = connection.execute(sa.select(sa.func.min(LOG.c.id), *same).group_by(*same).having(sa.func.count() > 1))
    for kept, *key in first.all():
        repeated = sa.and_(*(column == value for column, value in zip(same, key, strict=True)), LOG.c.id != kept)
        op.execute(sa.delete(LOG).where(repeated))
    with op.batch_alter_table("prediction_log") as table:
        table.create_unique_constraint(OLD_KEY, ["request_id", "sport", "league", "game_id"])
        table.drop_index("ix_prediction_log_request_id")
        table.drop_constraint("uq_prediction_log_served_id", type_="unique")
        table.drop_column("shadow")
        table.drop_column("served_id")

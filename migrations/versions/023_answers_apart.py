"""The prediction log in two tables: each answer once, and to whom it was served"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "023"
down_revision = "022"
branch_labels = None
depends_on = None

TABLE_OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def moved_columns() -> list[sa.Column]:
    """The columns that move, without their nullability."""
    return [
        sa.Column("sport", sa.String(length=32)),
        sa.Column("league", sa.String(length=32)),
        sa.Column("game_id", sa.String(length=120)),
        sa.Column("model", sa.String(length=64)),
        sa.Column("version", sa.Integer()),
        sa.Column("features", sa.String(length=64)),
        sa.Column("as_of", MOMENT),
        sa.Column("p_home", sa.Double()),
        sa.Column("p_draw", sa.Double()),
        sa.Column("p_away", sa.Double()),
        sa.Column("margin", sa.Double()),
        sa.Column("total", sa.Double()),
    ]


NAMES = [column.name for column in moved_columns()]
OPTIONAL = "p_draw"
FOREIGN_KEY = "fk_prediction_log_answer_id_prediction_answers"
LOG = sa.table(
    "prediction_log", sa.column("id", sa.BigInteger), sa.column("answer_id", sa.String), *map(sa.column, NAMES)
)
ANSWERS = sa.table("prediction_answers", sa.column("answer_id", sa.String), *map(sa.column, NAMES))


def upgrade() -> None:
    columns = moved_columns()
    for column in columns:
        column.nullable = column.name == OPTIONAL
    op.create_table(
        "prediction_answers",
        sa.Column("answer_id", sa.String(length=32), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("answer_id", name="pk_prediction_answers"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_prediction_answers_sport_league_game_id", "prediction_answers", ["sport", "league", "game_id"])
    op.add_column("prediction_log", sa.Column("answer_id", sa.String(length=32), nullable=True))
    # Each old row keeps an answer of its own: equal answers are not merged.
    op.execute(sa.update(LOG).values(answer_id=sa.literal("before-023-").concat(sa.cast(LOG.c.id, sa.String(20)))))
    op.execute(
        sa.insert(ANSWERS).from_select(
            ["answer_id", *NAMES], sa.select(LOG.c.answer_id, *(LOG.c[name] for name in NAMES))
        )
    )
    with op.batch_alter_table("prediction_log") as table:
        table.alter_column("answer_id", existing_type=sa.String(length=32), nullable=False)
        table.create_index("ix_prediction_log_answer_id", ["answer_id"])
        table.create_foreign_key(FOREIGN_KEY, "prediction_answers", ["answer_id"], ["answer_id"])
        table.drop_index("ix_prediction_log_sport_league_game_id")
        for name in NAMES:
            table.drop_column(name)


def downgrade() -> None:
    with op.batch_alter_table("prediction_log") as table:
        for column in moved_columns():
            table.add_column(column)
    for name in NAMES:
        value = sa.select(ANSWERS.c[name]).where(ANSWERS.c.answer_id == LOG.c.answer_id).scalar_subquery()
        op.execute(sa.update(LOG).values({name: value}))
    with op.batch_alter_table("prediction_log") as table:
        for column in moved_columns():
            if column.name != OPTIONAL:
                table.alter_column(column.name, existing_type=column.type, nullable=False)
        table.create_index("ix_prediction_log_sport_league_game_id", ["sport", "league", "game_id"])
        table.drop_constraint(FOREIGN_KEY, type_="foreignkey")
        table.drop_index("ix_prediction_log_answer_id")
        table.drop_column("answer_id")
    op.drop_table("prediction_answers")

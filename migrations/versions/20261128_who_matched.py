"""Which rule linked two games or two names and how surely, and what people have decided is not one"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261128_who_matched"
down_revision = "20261128_league_quotes"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
ON_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
SCORE = "Of a decision by rule: how surely, from 0 to 1; NULL where a person decided"
RULE = "Of a decision by rule: its name and version; NULL where a person decided"


def upgrade() -> None:
    limit_lock_wait()
    op.add_column(
        "game_links",
        sa.Column(
            "not_same_as", sa.String(120), comment="Id of a game that this id is not, by decision; NULL in other rows"
        ),
    )
    for table in ("game_links", "team_aliases"):
        op.add_column(table, sa.Column("score", sa.Double, comment=SCORE))
        op.add_column(table, sa.Column("rule", sa.String(32), comment=RULE))
    op.create_table(
        "team_alias_refusals",
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport, in lower case: soccer, ice_hockey"),
        sa.Column("league", sa.String(32), primary_key=True, comment="Key of the league within the sport: EPL, NHL"),
        sa.Column("alias", sa.String(150), primary_key=True, comment="Spelling that some source uses"),
        sa.Column("team", sa.String(150), primary_key=True, comment="Club that it does not stand for"),
        sa.Column(
            "source",
            sa.String(80),
            nullable=False,
            comment="Where the row comes from: bot, csv and the file name, a site, or a person",
        ),
        sa.Column(
            "recorded_at",
            MOMENT,
            nullable=False,
            comment="UTC moment at which the row was written: for audits and to read training data again",
        ),
        if_not_exists=True,
        **ON_MYSQL,
    )


def downgrade() -> None:
    limit_lock_wait()
    # Earlier versions do not match by themselves, so what may not be matched again is not lost on them.
    op.drop_table("team_alias_refusals", if_exists=True)
    for table in ("team_aliases", "game_links"):
        op.drop_column(table, "rule")
        op.drop_column(table, "score")
    op.drop_column("game_links", "not_same_as")


def limit_lock_wait() -> None:
    """Fail after 5 seconds rather than wait for a long transaction, since every later query of the table waits, too."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute("SET SESSION lock_wait_timeout = 5")

"""Tables of grading: the prediction log counted, graded games and forecasts, and their roll-ups"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261128_grading"
down_revision = "20261128_source_terms"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
ON_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    limit_lock_wait()
    op.create_table(
        "prediction_tallies",
        sa.Column("answer_id", sa.String(32), primary_key=True, comment="The answer that was served"),
        sa.Column(
            "shadow", sa.Boolean, primary_key=True, comment="1 where a challenger forecast it, without being served"
        ),
        sa.Column(
            "servings",
            sa.BigInteger,
            nullable=False,
            comment="How many rows of prediction_log say so, those that were pruned included",
        ),
        sa.Column("first_served_at", MOMENT, nullable=False, comment="When it was first served (UTC)"),
        sa.Column("last_served_at", MOMENT, nullable=False, comment="When it was last served (UTC)"),
        if_not_exists=True,
        **ON_MYSQL,
    )
    op.create_table(
        "grading_marks",
        sa.Column(
            "name",
            sa.String(80),
            primary_key=True,
            comment="`log`, `pruned`, or sport/league of an archive's change log",
        ),
        sa.Column(
            "position",
            sa.BigInteger,
            nullable=False,
            comment="Last id of prediction_log counted; number of its rows pruned; last revision read",
        ),
        if_not_exists=True,
        **ON_MYSQL,
    )
    op.create_table(
        "grading_due",
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport of the game, part of its natural key"),
        sa.Column("league", sa.String(32), primary_key=True, comment="League of the game, part of its natural key"),
        sa.Column("game_id", sa.String(120), primary_key=True, comment="Id of the game, unique within its league"),
        if_not_exists=True,
        **ON_MYSQL,
    )
    op.create_table(
        "graded_games",
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport of the game, part of its natural key"),
        sa.Column("league", sa.String(32), primary_key=True, comment="League of the game, part of its natural key"),
        sa.Column("game_id", sa.String(120), primary_key=True, comment="Id of the game, unique within its league"),
        sa.Column("month", sa.String(7), nullable=False, comment="UTC month of the start, as 2026-11"),
        sa.Column("odds_band", sa.String(16), nullable=False, comment="Fair closing decimal odds of the favourite"),
        sa.Column(
            "outcome",
            sa.SmallInteger,
            comment="0 home win, 1 draw, 2 away win; NULL where the game ended level and that is no outcome",
        ),
        sa.Column(
            "base_rate_home",
            sa.BigInteger,
            comment="Probability of home by it, in millionths; NULL where there is none",
        ),
        sa.Column(
            "base_rate_draw",
            sa.BigInteger,
            comment="Probability of draw by it, in millionths; NULL where there is none",
        ),
        sa.Column(
            "base_rate_away",
            sa.BigInteger,
            comment="Probability of away by it, in millionths; NULL where there is none",
        ),
        sa.Column(
            "base_rate_log_loss", sa.BigInteger, comment="Its log loss [nats], in millionths; NULL where there is none"
        ),
        sa.Column("base_rate_brier", sa.BigInteger, comment="Its Brier score, in millionths; NULL where there is none"),
        sa.Column(
            "base_rate_margin_error",
            sa.BigInteger,
            comment="Absolute error of its expected margin [points], in millionths; NULL where there is none",
        ),
        sa.Column(
            "base_rate_total_error",
            sa.BigInteger,
            comment="Absolute error of its expected total [points], in millionths; NULL where there is none",
        ),
        sa.Column(
            "elo_home", sa.BigInteger, comment="Probability of home by it, in millionths; NULL where there is none"
        ),
        sa.Column(
            "elo_draw", sa.BigInteger, comment="Probability of draw by it, in millionths; NULL where there is none"
        ),
        sa.Column(
            "elo_away", sa.BigInteger, comment="Probability of away by it, in millionths; NULL where there is none"
        ),
        sa.Column(
            "elo_log_loss", sa.BigInteger, comment="Its log loss [nats], in millionths; NULL where there is none"
        ),
        sa.Column("elo_brier", sa.BigInteger, comment="Its Brier score, in millionths; NULL where there is none"),
        sa.Column(
            "elo_margin_error",
            sa.BigInteger,
            comment="Absolute error of its expected margin [points], in millionths; NULL where there is none",
        ),
        sa.Column(
            "elo_total_error",
            sa.BigInteger,
            comment="Absolute error of its expected total [points], in millionths; NULL where there is none",
        ),
        sa.Column(
            "market_home", sa.BigInteger, comment="Probability of home by it, in millionths; NULL where there is none"
        ),
        sa.Column(
            "market_draw", sa.BigInteger, comment="Probability of draw by it, in millionths; NULL where there is none"
        ),
        sa.Column(
            "market_away", sa.BigInteger, comment="Probability of away by it, in millionths; NULL where there is none"
        ),
        sa.Column(
            "market_log_loss", sa.BigInteger, comment="Its log loss [nats], in millionths; NULL where there is none"
        ),
        sa.Column("market_brier", sa.BigInteger, comment="Its Brier score, in millionths; NULL where there is none"),
        sa.Column(
            "market_margin_error",
            sa.BigInteger,
            comment="Absolute error of its expected margin [points], in millionths; NULL where there is none",
        ),
        sa.Column(
            "market_total_error",
            sa.BigInteger,
            comment="Absolute error of its expected total [points], in millionths; NULL where there is none",
        ),
        if_not_exists=True,
        **ON_MYSQL,
    )
    op.create_table(
        "graded_forecasts",
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport of the game, part of its natural key"),
        sa.Column("league", sa.String(32), primary_key=True, comment="League of the game, part of its natural key"),
        sa.Column("game_id", sa.String(120), primary_key=True, comment="Id of the game, unique within its league"),
        sa.Column("model", sa.String(64), primary_key=True, comment="Registered model that made the forecasts"),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False, comment="Version of the model"),
        sa.Column("shadow", sa.Boolean, primary_key=True, comment="1 for forecasts of a challenger, not served"),
        sa.Column(
            "lead_time",
            sa.String(16),
            primary_key=True,
            comment="How long before the start it was first served; `all`: at any time before the start",
        ),
        sa.Column("answers", sa.BigInteger, nullable=False, comment="Number of different answers"),
        sa.Column("servings", sa.BigInteger, nullable=False, comment="How often they were served"),
        sa.Column(
            "p_home",
            sa.BigInteger,
            comment="Mean probability of home, level games left out of two, in millionths; NULL where there is none",
        ),
        sa.Column(
            "p_draw",
            sa.BigInteger,
            comment="Mean probability of draw, level games left out of two, in millionths; NULL where there is none",
        ),
        sa.Column("p_away", sa.BigInteger, comment="Mean probability of away, in millionths; NULL where there is none"),
        sa.Column(
            "log_loss",
            sa.BigInteger,
            comment="Mean log loss of the answers [nats], in millionths; NULL where there is none",
        ),
        sa.Column(
            "brier", sa.BigInteger, comment="Mean Brier score of the answers, in millionths; NULL where there is none"
        ),
        sa.Column(
            "margin_error",
            sa.BigInteger,
            comment="Mean absolute error of the expected margin [points], in millionths; NULL where there is none",
        ),
        sa.Column(
            "total_error",
            sa.BigInteger,
            comment="Mean absolute error of the expected total [points], in millionths; NULL where there is none",
        ),
        sa.Column(
            "clv",
            sa.BigInteger,
            comment="Mean closing line value of the answers' best bets, in millionths; NULL where there is none",
        ),
        if_not_exists=True,
        **ON_MYSQL,
    )
    op.create_table(
        "grading_rollups",
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport of the games"),
        sa.Column("league", sa.String(32), primary_key=True, comment="League of the games"),
        sa.Column("model", sa.String(64), primary_key=True, comment="Registered model that made the forecasts"),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False, comment="Version of the model"),
        sa.Column("shadow", sa.Boolean, primary_key=True, comment="1 for forecasts of a challenger, not served"),
        sa.Column(
            "lead_time",
            sa.String(16),
            primary_key=True,
            comment="How long before the start it was first served; `all`: at any time before the start",
        ),
        sa.Column("month", sa.String(7), primary_key=True, comment="UTC month of the games' starts, as 2026-11"),
        sa.Column(
            "odds_band",
            sa.String(16),
            primary_key=True,
            comment="Fair closing decimal odds of the favourite; `none` without a closing price",
        ),
        sa.Column(
            "yardstick", sa.String(16), primary_key=True, comment="What it is compared with: base_rate, elo or market"
        ),
        sa.Column(
            "games", sa.BigInteger, nullable=False, comment="Games that the yardstick covers, level ones included"
        ),
        sa.Column("answers", sa.BigInteger, nullable=False, comment="Different answers of those games"),
        sa.Column("servings", sa.BigInteger, nullable=False, comment="How often they were served"),
        sa.Column(
            "decided",
            sa.BigInteger,
            nullable=False,
            comment="Games that ended with an outcome, for log loss and Brier score",
        ),
        sa.Column(
            "model_log_loss",
            sa.BigInteger,
            nullable=False,
            comment="Sum of the model's log losses, in millionths of a nat",
        ),
        sa.Column("log_loss", sa.BigInteger, nullable=False, comment="The same of the yardstick"),
        sa.Column(
            "model_brier", sa.BigInteger, nullable=False, comment="Sum of the model's Brier scores, in millionths"
        ),
        sa.Column("brier", sa.BigInteger, nullable=False, comment="The same of the yardstick"),
        sa.Column(
            "margins", sa.BigInteger, nullable=False, comment="Games of which the yardstick has an expected margin"
        ),
        sa.Column(
            "model_margin_error",
            sa.BigInteger,
            nullable=False,
            comment="Sum of the model's absolute errors of the margin, in millionths of a point",
        ),
        sa.Column("margin_error", sa.BigInteger, nullable=False, comment="The same of the yardstick"),
        sa.Column(
            "totals", sa.BigInteger, nullable=False, comment="Games of which the yardstick has an expected total"
        ),
        sa.Column(
            "model_total_error",
            sa.BigInteger,
            nullable=False,
            comment="Sum of the model's absolute errors of the total, in millionths of a point",
        ),
        sa.Column("total_error", sa.BigInteger, nullable=False, comment="The same of the yardstick"),
        sa.Column(
            "bets",
            sa.BigInteger,
            nullable=False,
            comment="Games of which an answer was worth a bet at the price of its moment, beside the market only",
        ),
        sa.Column(
            "clv", sa.BigInteger, nullable=False, comment="Sum of their closing line values, in millionths of a unit"
        ),
        if_not_exists=True,
        **ON_MYSQL,
    )
    op.create_table(
        "grading_bins",
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport of the games"),
        sa.Column("league", sa.String(32), primary_key=True, comment="League of the games"),
        sa.Column("model", sa.String(64), primary_key=True, comment="Registered model that made the forecasts"),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False, comment="Version of the model"),
        sa.Column("shadow", sa.Boolean, primary_key=True, comment="1 for forecasts of a challenger, not served"),
        sa.Column(
            "lead_time",
            sa.String(16),
            primary_key=True,
            comment="How long before the start it was first served; `all`: at any time before the start",
        ),
        sa.Column("month", sa.String(7), primary_key=True, comment="UTC month of the games' starts, as 2026-11"),
        sa.Column(
            "odds_band",
            sa.String(16),
            primary_key=True,
            comment="Fair closing decimal odds of the favourite; `none` without a closing price",
        ),
        sa.Column(
            "yardstick", sa.String(16), primary_key=True, comment="What it is compared with: base_rate, elo or market"
        ),
        sa.Column(
            "outcome", sa.SmallInteger, primary_key=True, autoincrement=False, comment="0 home win, 1 draw, 2 away win"
        ),
        sa.Column(
            "bin",
            sa.SmallInteger,
            primary_key=True,
            autoincrement=False,
            comment="Tenth of the probability, from 0 to 9",
        ),
        sa.Column(
            "model_games",
            sa.BigInteger,
            nullable=False,
            comment="Games for which the model's probability lies in the bin",
        ),
        sa.Column("model_forecast", sa.BigInteger, nullable=False, comment="Sum of those probabilities, in millionths"),
        sa.Column("model_happened", sa.BigInteger, nullable=False, comment="How many of those games ended so"),
        sa.Column("model_variance", sa.BigInteger, nullable=False, comment="Sum of p (1 - p), in millionths"),
        sa.Column(
            "games",
            sa.BigInteger,
            nullable=False,
            comment="Games for which the yardstick's probability lies in the bin",
        ),
        sa.Column("forecast", sa.BigInteger, nullable=False, comment="Sum of those probabilities, in millionths"),
        sa.Column("happened", sa.BigInteger, nullable=False, comment="How many of those games ended so"),
        if_not_exists=True,
        **ON_MYSQL,
    )


def downgrade() -> None:
    limit_lock_wait()
    # What was counted and pruned is lost: rows of the log that are older than LOG_DAYS are not there to count again.
    op.drop_table("grading_bins", if_exists=True)
    op.drop_table("grading_rollups", if_exists=True)
    op.drop_table("graded_forecasts", if_exists=True)
    op.drop_table("graded_games", if_exists=True)
    op.drop_table("grading_due", if_exists=True)
    op.drop_table("grading_marks", if_exists=True)
    op.drop_table("prediction_tallies", if_exists=True)


def limit_lock_wait() -> None:
    """Fail after 5 seconds rather than wait for a long transaction, since every later query of the table waits, too."""
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.execute("SET SESSION lock_wait_timeout = 5")

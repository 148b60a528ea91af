"""The tables of grading. Scores are whole millionths, so that sums do not depend on the order of their terms."""

from typing import Any, Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS, UtcDateTime

YARDSTICKS: Final = ("base_rate", "elo", "market")
"""What a forecast is compared with."""


def _game_key() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport of the game, part of its natural key"),
        sa.Column("league", sa.String(32), primary_key=True, comment="League of the game, part of its natural key"),
        sa.Column("game_id", sa.String(120), primary_key=True, comment="Id of the game, unique within its league"),
    )


def _forecaster_key() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("model", sa.String(64), primary_key=True, comment="Registered model that made the forecasts"),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False, comment="Version of the model"),
        sa.Column("shadow", sa.Boolean, primary_key=True, comment="1 for forecasts of a challenger, not served"),
        sa.Column(
            "lead_time",
            sa.String(16),
            primary_key=True,
            comment="How long before the start it was first served; `all`: at any time before the start",
        ),
    )


def _cell_key() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("sport", sa.String(32), primary_key=True, comment="Sport of the games"),
        sa.Column("league", sa.String(32), primary_key=True, comment="League of the games"),
        *_forecaster_key(),
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
    )


def _count(name: str, meaning: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False, comment=meaning)


def _score(name: str, meaning: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, comment=f"{meaning}, in millionths; NULL where there is none")


tallies: Final = sa.Table(
    "prediction_tallies",
    METADATA,
    sa.Column("answer_id", sa.String(32), primary_key=True, comment="The answer that was served"),
    sa.Column("shadow", sa.Boolean, primary_key=True, comment="1 where a challenger forecast it, without being served"),
    _count("servings", "How many rows of prediction_log say so, those that were pruned included"),
    sa.Column("first_served_at", UtcDateTime, nullable=False, comment="When it was first served (UTC)"),
    sa.Column("last_served_at", UtcDateTime, nullable=False, comment="When it was last served (UTC)"),
    **TABLE_OPTIONS,
)
"""The prediction log, counted: one row for each answer and role."""

marks: Final = sa.Table(
    "grading_marks",
    METADATA,
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
    **TABLE_OPTIONS,
)
"""Up to where grading has read."""

due: Final = sa.Table("grading_due", METADATA, *_game_key(), **TABLE_OPTIONS)
"""Games of which an answer was served, or a fact was recorded, since they were last looked at."""

graded_games: Final = sa.Table(
    "graded_games",
    METADATA,
    *_game_key(),
    sa.Column("month", sa.String(7), nullable=False, comment="UTC month of the start, as 2026-11"),
    sa.Column("odds_band", sa.String(16), nullable=False, comment="Fair closing decimal odds of the favourite"),
    sa.Column(
        "outcome",
        sa.SmallInteger,
        comment="0 home win, 1 draw, 2 away win; NULL where the game ended level and that is no outcome",
    ),
    *(
        column
        for yardstick in YARDSTICKS
        for column in (
            *(_score(f"{yardstick}_{side}", f"Probability of {side} by it") for side in ("home", "draw", "away")),
            _score(f"{yardstick}_log_loss", "Its log loss [nats]"),
            _score(f"{yardstick}_brier", "Its Brier score"),
            _score(f"{yardstick}_margin_error", "Absolute error of its expected margin [points]"),
            _score(f"{yardstick}_total_error", "Absolute error of its expected total [points]"),
        )
    ),
    **TABLE_OPTIONS,
)
"""How each graded game ended, and how the yardsticks did."""

graded_forecasts: Final = sa.Table(
    "graded_forecasts",
    METADATA,
    *_game_key(),
    *_forecaster_key(),
    _count("answers", "Number of different answers"),
    _count("servings", "How often they were served"),
    *(_score(f"p_{side}", f"Mean probability of {side}, level games left out of two") for side in ("home", "draw")),
    _score("p_away", "Mean probability of away"),
    _score("log_loss", "Mean log loss of the answers [nats]"),
    _score("brier", "Mean Brier score of the answers"),
    _score("margin_error", "Mean absolute error of the expected margin [points]"),
    _score("total_error", "Mean absolute error of the expected total [points]"),
    _score("clv", "Mean closing line value of the answers' best bets"),
    **TABLE_OPTIONS,
)
"""The forecast of one version for one graded game within one span before its start: the means over its answers."""

SUMS: Final = (
    ("games", "Games that the yardstick covers, level ones included"),
    ("answers", "Different answers of those games"),
    ("servings", "How often they were served"),
    ("decided", "Games that ended with an outcome, for log loss and Brier score"),
    ("model_log_loss", "Sum of the model's log losses, in millionths of a nat"),
    ("log_loss", "The same of the yardstick"),
    ("model_brier", "Sum of the model's Brier scores, in millionths"),
    ("brier", "The same of the yardstick"),
    ("margins", "Games of which the yardstick has an expected margin"),
    ("model_margin_error", "Sum of the model's absolute errors of the margin, in millionths of a point"),
    ("margin_error", "The same of the yardstick"),
    ("totals", "Games of which the yardstick has an expected total"),
    ("model_total_error", "Sum of the model's absolute errors of the total, in millionths of a point"),
    ("total_error", "The same of the yardstick"),
    ("bets", "Games of which an answer was worth a bet at the price of its moment, beside the market only"),
    ("clv", "Sum of their closing line values, in millionths of a unit"),
)

rollups: Final = sa.Table(
    "grading_rollups",
    METADATA,
    *_cell_key(),
    *(_count(name, meaning) for name, meaning in SUMS),
    **TABLE_OPTIONS,
)
"""Sums over graded games; every game counts once in a cell."""

BIN_SUMS: Final = (
    ("model_games", "Games for which the model's probability lies in the bin"),
    ("model_forecast", "Sum of those probabilities, in millionths"),
    ("model_happened", "How many of those games ended so"),
    ("model_variance", "Sum of p (1 - p), in millionths"),
    ("games", "Games for which the yardstick's probability lies in the bin"),
    ("forecast", "Sum of those probabilities, in millionths"),
    ("happened", "How many of those games ended so"),
)

bins: Final = sa.Table(
    "grading_bins",
    METADATA,
    *_cell_key(),
    sa.Column(
        "outcome", sa.SmallInteger, primary_key=True, autoincrement=False, comment="0 home win, 1 draw, 2 away win"
    ),
    sa.Column(
        "bin", sa.SmallInteger, primary_key=True, autoincrement=False, comment="Tenth of the probability, from 0 to 9"
    ),
    *(_count(name, meaning) for name, meaning in BIN_SUMS),
    **TABLE_OPTIONS,
)
"""The same games by stated probability, for the calibration error."""

"""The tables of the prediction log: each different answer once, and a narrow row for each time it is served."""

from typing import Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS, UtcDateTime

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")

answers: Final = sa.Table(
    "prediction_answers",
    METADATA,
    sa.Column(
        "answer_id",
        sa.String(32),
        primary_key=True,
        comment="Hash of the body and the moment of its data; the same in every process",
    ),
    sa.Column("sport", sa.String(32), nullable=False, comment="Sport of the game, part of its natural key"),
    sa.Column("league", sa.String(32), nullable=False, comment="League of the game, part of its natural key"),
    sa.Column("game_id", sa.String(120), nullable=False, comment="Id of the game, unique within its league"),
    sa.Column("model", sa.String(64), nullable=False, comment="Registered model that made the forecast"),
    sa.Column("version", sa.Integer, nullable=False, comment="Version of the model"),
    sa.Column("features", sa.String(64), nullable=False, comment="Fingerprint of the feature set"),
    sa.Column("as_of", UtcDateTime, nullable=False, comment="Data cut-off of the forecast (UTC)"),
    sa.Column("p_home", sa.Double, nullable=False, comment="Probability of a home win"),
    sa.Column("p_draw", sa.Double, comment="Probability of a draw; null in leagues without draws"),
    sa.Column("p_away", sa.Double, nullable=False, comment="Probability of an away win"),
    sa.Column("margin", sa.Double, nullable=False, comment="Expected home score minus away score"),
    sa.Column("total", sa.Double, nullable=False, comment="Expected sum of both scores"),
    sa.Index(None, "sport", "league", "game_id"),
    **TABLE_OPTIONS,
)
"""Each different answer once."""

predictions: Final = sa.Table(
    "prediction_log",
    METADATA,
    sa.Column("id", BigId, primary_key=True, autoincrement=True, comment="Order of writing"),
    sa.Column(
        "served_id",
        sa.String(40),
        nullable=False,
        unique=True,
        comment="Id of this serving, so that writing it twice changes nothing",
    ),
    sa.Column(
        "answer_id",
        sa.String(32),
        sa.ForeignKey(answers.c.answer_id),
        nullable=False,
        comment="The answer that was served",
    ),
    sa.Column("request_id", sa.String(64), nullable=False, comment="Id of the HTTP request"),
    sa.Column("served_at", UtcDateTime, nullable=False, comment="When it was served (UTC)"),
    sa.Column(
        "cache",
        sa.String(16),
        nullable=False,
        comment="Where the body came from: local, redis, computed, bypass or stale",
    ),
    sa.Column("key_id", sa.String(32), comment="API key of the caller; null where none was required"),
    sa.Column(
        "shadow",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="Whether a challenger forecast this beside the answer, without being served",
    ),
    sa.Index(None, "answer_id"),
    sa.Index(None, "request_id"),
    sa.Index(None, "served_at"),
    **TABLE_OPTIONS,
)
"""Each time an answer was served, and to whom."""

SERVED: Final = sa.select(predictions, *(column for column in answers.c if not column.primary_key)).join_from(
    predictions, answers
)
"""Both, a row for each served prediction."""

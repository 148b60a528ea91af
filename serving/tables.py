"""The tables of this room: the log of served predictions, the callers' keys, the workers that serve."""

from typing import Final

import sqlalchemy as sa

from core.database import METADATA, TABLE_OPTIONS, UtcDateTime

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")

answers: Final = sa.Table(
    "prediction_answers",
    METADATA,
    sa.Column("answer_id", sa.String(32), primary_key=True),
    sa.Column("sport", sa.String(32), nullable=False),
    sa.Column("league", sa.String(32), nullable=False),
    sa.Column("game_id", sa.String(120), nullable=False),
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("features", sa.String(64), nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("p_home", sa.Double, nullable=False),
    sa.Column("p_draw", sa.Double),
    sa.Column("p_away", sa.Double, nullable=False),
    sa.Column("margin", sa.Double, nullable=False),
    sa.Column("total", sa.Double, nullable=False),
    sa.Index(None, "sport", "league", "game_id"),
    **TABLE_OPTIONS,
)
"""What was said, once for each different answer."""

predictions: Final = sa.Table(
    "prediction_log",
    METADATA,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("served_id", sa.String(40), nullable=False, unique=True),
    sa.Column("answer_id", sa.String(32), sa.ForeignKey(answers.c.answer_id), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("served_at", UtcDateTime, nullable=False),
    sa.Column("cache", sa.String(16), nullable=False),
    sa.Column("key_id", sa.String(32)),
    sa.Column("shadow", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(None, "answer_id"),
    sa.Index(None, "request_id"),
    sa.Index(None, "served_at"),
    **TABLE_OPTIONS,
)
"""To whom it was said and when: one narrow row for each time, however often an answer is given."""

SERVED: Final = sa.select(predictions, *(column for column in answers.c if not column.primary_key)).join_from(
    predictions, answers
)
"""Both, a row for each served prediction."""

api_keys: Final = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("key_id", sa.String(32), primary_key=True),
    sa.Column("secret_sha256", sa.String(64), nullable=False),
    sa.Column("owner", sa.String(120), nullable=False),
    sa.Column("scopes", sa.String(120), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    sa.Column("guild_id", sa.BigInteger),
    **TABLE_OPTIONS,
)

workers: Final = sa.Table(
    "serving_workers",
    METADATA,
    sa.Column("worker", sa.String(80), primary_key=True),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("models", sa.Text, nullable=False),
    **TABLE_OPTIONS,
)

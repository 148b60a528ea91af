"""The tables of the registry: every version with its held-out losses, and one deployment record per model."""

from typing import Final

import sqlalchemy as sa

from core.database import METADATA, TABLE_OPTIONS, LongText, UtcDateTime

versions: Final = sa.Table(
    "model_versions",
    METADATA,
    sa.Column("model", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sport", sa.String(32), nullable=False),
    sa.Column("league", sa.String(32), nullable=False),
    sa.Column("variant", sa.String(16), nullable=False),
    sa.Column("recipe", sa.String(80), nullable=False),
    sa.Column("bundle_sha256", sa.String(64), nullable=False),
    sa.Column("features", sa.String(64), nullable=False),
    sa.Column("snapshot_sha256", sa.String(64), nullable=False),
    sa.Column("trained_until", UtcDateTime, nullable=False),
    sa.Column("registered_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("scores", LongText, nullable=False),
    sa.Index(None, "sport", "league"),
    **TABLE_OPTIONS,
)

deployments: Final = sa.Table(
    "model_deployments",
    METADATA,
    sa.Column("model", sa.String(64), primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("champion", sa.Integer),
    sa.Column("challenger", sa.Integer),
    sa.Column("previous", sa.Integer),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    **TABLE_OPTIONS,
)

held_out: Final = sa.Table(
    "model_held_out",
    METADATA,
    sa.Column("model", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", LongText, nullable=False),
    **TABLE_OPTIONS,
)

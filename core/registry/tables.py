"""The tables of the registry: every version with its held-out losses, and one deployment record per model."""

from typing import Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS, LongText, UtcDateTime

versions: Final = sa.Table(
    "model_versions",
    METADATA,
    sa.Column("model", sa.String(64), primary_key=True, comment="Registered model, such as EPL-results"),
    sa.Column(
        "version", sa.Integer, primary_key=True, autoincrement=False, comment="Version of the model, as in MLflow"
    ),
    sa.Column("sport", sa.String(32), nullable=False, comment="Sport of the league"),
    sa.Column("league", sa.String(32), nullable=False, comment="Key of the league it forecasts"),
    sa.Column(
        "variant", sa.String(16), nullable=False, comment="results or prices: whether it uses the prices of the game"
    ),
    sa.Column("recipe", sa.String(80), nullable=False, comment="Name and digest of the recipe"),
    sa.Column("bundle_sha256", sa.String(64), nullable=False, comment="SHA-256 of the bundle with its files"),
    sa.Column("features", sa.String(64), nullable=False, comment="Fingerprint of the feature set"),
    sa.Column("snapshot_sha256", sa.String(64), nullable=False, comment="SHA-256 of the training data's manifest"),
    sa.Column("trained_until", UtcDateTime, nullable=False, comment="Latest moment of the training data (UTC)"),
    sa.Column("registered_at", UtcDateTime, nullable=False, comment="When the version was registered (UTC)"),
    sa.Column("run_id", sa.String(64), nullable=False, comment="MLflow run that trained it"),
    sa.Column(
        "scores", LongText, nullable=False, comment="JSON: scores of model and baselines on games it had not seen"
    ),
    sa.Index(None, "sport", "league"),
    **TABLE_OPTIONS,
)

deployments: Final = sa.Table(
    "model_deployments",
    METADATA,
    sa.Column("model", sa.String(64), primary_key=True, comment="Registered model; one record each"),
    sa.Column(
        "generation", sa.Integer, nullable=False, comment="Number of changes; every change requires the last one"
    ),
    sa.Column("champion", sa.Integer, comment="Version that serves; null before the first promotion"),
    sa.Column("challenger", sa.Integer, comment="Version that waits for promotion; null if there is none"),
    sa.Column("previous", sa.Integer, comment="Champion before, for one rollback; null if there is none"),
    sa.Column("changed_at", UtcDateTime, nullable=False, comment="When the record changed last (UTC)"),
    **TABLE_OPTIONS,
)

held_out: Final = sa.Table(
    "model_held_out",
    METADATA,
    sa.Column("model", sa.String(64), primary_key=True, comment="Registered model"),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False, comment="Version of the model"),
    sa.Column(
        "body", LongText, nullable=False, comment="JSON: its log loss on each game it had not seen, for promotion"
    ),
    **TABLE_OPTIONS,
)

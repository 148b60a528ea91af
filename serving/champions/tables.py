"""The table of serving workers."""

from typing import Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS

workers: Final = sa.Table(
    "serving_workers",
    METADATA,
    sa.Column("worker", sa.String(80), primary_key=True, comment="Host, process id and a random part"),
    sa.Column(
        "beat",
        sa.BigInteger,
        nullable=False,
        comment="Counter that the worker raises every second; one that stands still is dead",
    ),
    sa.Column("models", sa.Text, nullable=False, comment="Version and generation of each loaded model, as JSON"),
    **TABLE_OPTIONS,
)

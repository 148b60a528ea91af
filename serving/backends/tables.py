"""The table of the database's identity."""

from typing import Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS

database_identity: Final = sa.Table(
    "database_identity",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False, comment="Always 1: the table holds one row"),
    sa.Column(
        "identity",
        sa.String(32),
        nullable=False,
        comment="Random name of this database, in hex: servers name their files on disk after it, whatever its address",
    ),
    info={"restore": "if empty"},
    **TABLE_OPTIONS,
)
"""One row, which the first server inserts. A restore fills the table only if it is empty (see its ``info``)."""

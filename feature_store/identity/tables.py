"""The table of club names. Unlike facts, a decision that was taken back is deleted."""

from typing import Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS
from feature_store.archive.tables import league_key, origin

team_aliases: Final = sa.Table(
    "team_aliases",
    METADATA,
    *league_key(),
    sa.Column(
        "alias", sa.String(150), primary_key=True, comment="Spelling that some source uses; compared to the letter"
    ),
    sa.Column("team", sa.String(150), nullable=False, comment="Club it stands for, as archived facts name it"),
    *origin(),
    **TABLE_OPTIONS,
)
"""Spellings of clubs, as people have decided them. They apply to facts read from then on."""

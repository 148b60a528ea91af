"""The tables of club names. Unlike facts, an alias that was taken back is deleted, and a refusal takes its place."""

from typing import Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS
from feature_store.archive.tables import judged_by, league_key, origin

team_aliases: Final = sa.Table(
    "team_aliases",
    METADATA,
    *league_key(),
    sa.Column(
        "alias", sa.String(150), primary_key=True, comment="Spelling that some source uses; compared to the letter"
    ),
    sa.Column("team", sa.String(150), nullable=False, comment="Club it stands for, as archived facts name it"),
    *origin(),
    *judged_by(),
    **TABLE_OPTIONS,
)
"""Spellings of clubs, as people or the matching rule have decided. They apply to facts read from then on."""

team_alias_refusals: Final = sa.Table(
    "team_alias_refusals",
    METADATA,
    *league_key(),
    sa.Column("alias", sa.String(150), primary_key=True, comment="Spelling that some source uses"),
    sa.Column("team", sa.String(150), primary_key=True, comment="Club that it does not stand for"),
    *origin(),
    **TABLE_OPTIONS,
)
"""Aliases that people have taken back: no rule decides on them again."""

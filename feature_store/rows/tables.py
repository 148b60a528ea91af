"""Tables of what is built from the archive: checkpoints, states and feature rows. All of it can be built again."""

from typing import Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS, LongText, UtcDateTime
from feature_store.archive.tables import game_key, league_key

checkpoints: Final = sa.Table(
    "feature_rungs",
    METADATA,
    *league_key(),
    sa.Column(
        "horizon", UtcDateTime, primary_key=True, comment="UTC moment: the state holds every game that ended by it"
    ),
    sa.Column(
        "settled_at",
        UtcDateTime,
        nullable=False,
        comment="UTC moment at which those games last changed; as of an earlier moment the state must not be used",
    ),
    sa.Column(
        "version", sa.String(64), nullable=False, comment="SHA-256 of the code version and rules that made the state"
    ),
    sa.Column("body", LongText, nullable=False, comment="JSON: the record of the league and one per team"),
    **TABLE_OPTIONS,
)
"""Checkpoints: states of a league from which a build continues."""

states: Final = sa.Table(
    "feature_states",
    METADATA,
    *league_key(),
    sa.Column("as_of", UtcDateTime, nullable=False, comment="UTC moment of the last build"),
    sa.Column("version", sa.String(64), nullable=False, comment="Fingerprint of all features when it was built"),
    sa.Column("games", sa.Integer, nullable=False, comment="Number of games played into the state"),
    sa.Column(
        "revision",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="Last revision of archive_changes that the checkpoints include",
    ),
    sa.Column("body", LongText, nullable=False, comment="JSON: the record of the league and one per team"),
    **TABLE_OPTIONS,
)
"""Latest state of each league, one row per league."""

rows: Final = sa.Table(
    "feature_rows",
    METADATA,
    *game_key(),
    sa.Column("as_of", UtcDateTime, nullable=False, comment="UTC moment of the build that last changed the row"),
    sa.Column("catalogue", sa.String(64), nullable=False, comment="Fingerprint of all features when it was built"),
    sa.Column("season", sa.Integer, nullable=False, comment="Year in which the season began"),
    sa.Column(
        "start_at", UtcDateTime, nullable=False, comment="UTC start; 16:00 UTC of the day where only a date is given"
    ),
    sa.Column("date_only", sa.Boolean, nullable=False, comment="1 if start_at is a stand-in for a bare date"),
    sa.Column("home_team", sa.String(150), nullable=False, comment="Home side"),
    sa.Column("away_team", sa.String(150), nullable=False, comment="Away side"),
    sa.Column("neutral", sa.Boolean, nullable=False, comment="1 on a neutral venue"),
    sa.Column("playoff", sa.Boolean, nullable=False, comment="1 in a play-off"),
    sa.Column("status", sa.String(16), nullable=False, comment="scheduled or unknown: the game has not begun"),
    sa.Column(
        "features",
        LongText,
        nullable=False,
        comment="JSON list of all feature values in catalogue order; null: missing",
    ),
    sa.Column(
        "prices",
        LongText,
        nullable=False,
        comment="JSON list: P(home), P(draw), P(away), spread, total, P(over), overround; null if nothing was quoted",
    ),
    sa.Column(
        "digest",
        sa.String(64),
        nullable=False,
        comment="SHA-256 of the content; it changes when the forecast must",
    ),
    sa.Index(None, "start_at"),
    sa.Index(None, "league", "start_at"),
    **TABLE_OPTIONS,
)
"""Feature rows of games to come, and of games that started within the last week."""

league_quotes: Final = sa.Table(
    "league_quotes",
    METADATA,
    *league_key(),
    sa.Column("as_of", UtcDateTime, nullable=False, comment="UTC moment at which they were read from the archive"),
    sa.Column(
        "body",
        LongText,
        nullable=False,
        comment="JSON: by game to come a list per book: name, UTC moment, whether it may be displayed, odds and lines",
    ),
    **TABLE_OPTIONS,
)
"""The newest quotes of every book for each league's games to come, one row per league."""

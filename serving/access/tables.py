"""The table of API keys."""

from typing import Final

import sqlalchemy as sa

from core.database.schema import METADATA, TABLE_OPTIONS, UtcDateTime

api_keys: Final = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("key_id", sa.String(32), primary_key=True, comment="Public part of the key, shown in logs"),
    sa.Column(
        "secret_sha256",
        sa.String(64),
        nullable=False,
        comment="SHA-256 of the secret part, which is stored nowhere",
    ),
    sa.Column("owner", sa.String(120), nullable=False, comment="Whom the key was issued to"),
    sa.Column("scopes", sa.String(120), nullable=False, comment="What the key allows, separated by blanks"),
    sa.Column("created_at", UtcDateTime, nullable=False, comment="When the key was issued (UTC)"),
    sa.Column("expires_at", UtcDateTime, comment="From when on the key is refused (UTC); null if never"),
    sa.Column("revoked_at", UtcDateTime, comment="When the key was revoked (UTC); null if it was not"),
    sa.Column("guild_id", sa.BigInteger, comment="The only guild the key may act for; null for any"),
    **TABLE_OPTIONS,
)

"""Declarations of tables: the shared metadata, options and column types."""

import base64
import lzma
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect

METADATA: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)
"""The rooms declare their tables on it; migrations compare it with the schema of a database."""

TABLE_OPTIONS: Final[dict[str, Any]] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
"""Options of every table, explicit because the defaults of MySQL and MariaDB differ."""

SMALLEST_PACKET: Final = 2**20
"""The smallest ``max_allowed_packet`` with which every statement of this service fits [bytes]."""


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC moment, stored as a naive one with microseconds (MySQL keeps no zone and MariaDB cuts fractions)."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime())

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "a moment without a time zone must not reach the database"
            raise ValueError(msg)
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class LongText(sa.types.TypeDecorator[str]):
    """Text without MySQL's limits of 64 KiB per value and of ``max_allowed_packet`` per statement.

    A text over 480 KiB is stored compressed, behind a mark; JSON shrinks to a third or less, so that values up to some
    3 MB fit into a statement of ``SMALLEST_PACKET``.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(mysql.LONGTEXT() if dialect.name in ("mysql", "mariadb") else sa.Text())

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        if value is None or (len(value) <= LONGEST_PLAIN // 4 and not value.startswith(COMPRESSED)):
            return value
        plain = value.encode()
        if len(plain) <= LONGEST_PLAIN and not value.startswith(COMPRESSED):
            return value
        return COMPRESSED + base64.b64encode(lzma.compress(plain)).decode()

    def process_result_value(self, value: str | None, _dialect: Dialect) -> str | None:
        if value is None or not value.startswith(COMPRESSED):
            return value
        return lzma.decompress(base64.b64decode(value.removeprefix(COMPRESSED))).decode()


COMPRESSED: Final = "xz+base64:"
"""Mark before a compressed value. A text that begins with it is compressed at any length."""

LONGEST_PLAIN: Final = 480 * 2**10
"""Longest text that is stored as it is [bytes]: escaped by the driver it is twice as long, still below a packet."""

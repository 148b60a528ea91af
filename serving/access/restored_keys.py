"""API keys when a backup replaces the database's rows: what was revoked since stays revoked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from serving.access.tables import api_keys

MOST_NAMED: Final = 50
"""Keys that are named; a longer list is counted."""


class RestoredKeys:
    """Names the keys that a backup revives or takes away, and revokes again those that were revoked meanwhile."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._present: dict[str, Mapping[str, Any]] = {}
        self._lost: set[str] = set()
        self._unknown: list[str] = []
        self._unknown_count = 0

    def read(self, connection: Connection) -> None:
        """Note the keys of the database, and lock them: a key revoked from now on is revoked after the restore."""
        rows = connection.execute(sa.select(api_keys).with_for_update()).mappings()
        self._present = {row["key_id"]: dict(row) for row in rows}
        self._lost = {key_id for key_id, row in self._present.items() if _is_active(row, self._now)}
        self._unknown, self._unknown_count = [], 0

    def compare(self, table: str, row: Mapping[str, Any]) -> None:
        """Note an active key that this database does not know."""
        if table != api_keys.name:
            return
        present = self._present.get(row["key_id"])
        if present is not None and present["secret_sha256"] == row["secret_sha256"]:
            self._lost.discard(row["key_id"])
        elif _is_active(row, self._now):
            self._unknown_count += 1
            if len(self._unknown) < MOST_NAMED:
                self._unknown.append(_named(row))

    def statements(self) -> list[str]:
        """What happens to which key."""
        revoked = [_named(row) for row in self._present.values() if row["revoked_at"] is not None]
        lost = [_named(self._present[key_id]) for key_id in sorted(self._lost)]
        return [
            *_listed("keys revoked in this database stay revoked", revoked, len(revoked)),
            *_listed("keys issued since the backup are lost", lost, len(lost)),
            *_listed(
                "active keys of the backup that this database does not know are valid; revoke those you know to be "
                "revoked (`dbsbm keys revoke ID`)",
                self._unknown,
                self._unknown_count,
            ),
        ]

    def apply(self, connection: Connection) -> None:
        """Revoke again, at the same moment as before."""
        for key_id, row in self._present.items():
            if row["revoked_at"] is not None:
                restored = (api_keys.c.key_id == key_id) & api_keys.c.revoked_at.is_(None)
                connection.execute(sa.update(api_keys).where(restored).values(revoked_at=row["revoked_at"]))


def _is_active(row: Mapping[str, Any], now: datetime) -> bool:
    return row["revoked_at"] is None and (row["expires_at"] is None or now < row["expires_at"])


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['key_id']} ({row['owner']})"


def _listed(what: str, names: list[str], count: int) -> list[str]:
    if not names:
        return []
    more = f" and {count - MOST_NAMED:,} more" if count > MOST_NAMED else ""
    return [f"{what}: {', '.join(names[:MOST_NAMED])}{more}"]

"""People's consent when a backup replaces the database's rows: what was withdrawn since stays withdrawn."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.database.upserts import insert_new
from feature_store.sources.bot.people.archive import erase_unconsented
from feature_store.sources.bot.people.tables import bets, consents


class RestoredConsents:
    """Keeps every consent that the database has, and erases again the bets of users who have withdrawn theirs."""

    def __init__(self) -> None:
        self._present: list[dict[str, Any]] = []
        self._known: set[int] = set()
        self._withdrawn: set[int] = set()
        self._erased: set[int] = set()
        self._unknown = 0

    def read(self, connection: Connection) -> None:
        """Note every consent, and who has withdrawn."""
        rows = connection.execute(sa.select(consents).order_by(consents.c.known_at)).mappings()
        self._present = [dict(row) for row in rows]
        latest = {row["user_id"]: row["analytics_consent"] for row in self._present}
        self._known = set(latest)
        self._withdrawn = {user_id for user_id, allowed in latest.items() if not allowed}
        self._erased, self._unknown = set(), 0

    def compare(self, table: str, row: Mapping[str, Any]) -> None:
        """Note a bet of a user who has withdrawn, or of whom this database knows nothing."""
        if table != bets.name:
            return
        if row["user_id"] in self._withdrawn:
            self._erased.add(row["user_id"])
        elif row["user_id"] not in self._known:
            self._unknown += 1

    def statements(self) -> list[str]:
        """Whose bets stay erased, and how many come back of users whose consent is unknown here."""
        erased = f"the bets of {len(self._erased):,} users stay erased: they have withdrawn consent since the backup"
        unknown = (
            f"{self._unknown:,} bets come back of users whose consent this database does not know; "
            "the next `dbsbm snapshot` erases those of users who do not consent"
        )
        return [*([erased] if self._erased else []), *([unknown] if self._unknown else [])]

    def apply(self, connection: Connection) -> None:
        """Add the consents that the backup lacks, and erase what they do not cover."""
        insert_new(connection, consents, self._present)
        if self._present:
            erase_unconsented(connection)

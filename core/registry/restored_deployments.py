"""Deployment records when a backup replaces the database's rows: every process must notice that they changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.registry.tables import deployments

VERSIONS: Final = ("champion", "challenger", "previous")


class RestoredDeployments:
    """Names the champions that change, and counts the restore as a further change of each record that differs.

    A record that went back to a generation of before would look unchanged to a server that follows generations, and a
    promotion decided on the old record could still be carried out on the restored one.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._present: dict[str, Mapping[str, Any]] = {}
        self._missing: set[str] = set()
        self._changes: list[str] = []

    def read(self, connection: Connection) -> None:
        """Note the records, and lock them until the transaction ends."""
        rows = connection.execute(sa.select(deployments).with_for_update()).mappings()
        self._present = {row["model"]: dict(row) for row in rows}
        self._missing, self._changes = set(self._present), []

    def compare(self, table: str, row: Mapping[str, Any]) -> None:
        """Note a model whose champion is another one."""
        if table != deployments.name or row["model"] not in self._present:
            return
        self._missing.discard(row["model"])
        before, after = self._present[row["model"]]["champion"], row["champion"]
        if before != after:
            self._changes.append(f"champion of {row['model']}: version {before} -> {after}")

    def statements(self) -> list[str]:
        """The champions that change."""
        lost = [f"{model} has no deployment record in the backup" for model in sorted(self._missing)]
        return [*self._changes, *lost]

    def apply(self, connection: Connection) -> None:
        """Give each record that differs from the database's a generation that no process has seen."""
        for row in connection.execute(sa.select(deployments)).mappings().all():
            before = self._present.get(row["model"])
            if before is None or all(row[name] == before[name] for name in (*VERSIONS, "generation")):
                continue
            generation = 1 + max(row["generation"], before["generation"])
            connection.execute(
                sa.update(deployments)
                .where(deployments.c.model == row["model"])
                .values(generation=generation, changed_at=self._now)
            )

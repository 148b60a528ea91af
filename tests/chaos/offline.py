"""The answers that the service must give, computed in this process from the stored rows and bundles."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy.engine import Engine

from core.registry.bundles.store import bundle_store
from core.registry.deployment import version
from feature_store.rows.online import OnlineRow, load_rows
from serving.champions.champion import Champion
from serving.champions.loader import load_version
from serving.predictions.plan import ForecastPlan, make_body
from tests.chaos.world import MODEL
from tests.serving.service import settings_for


@dataclass
class Offline:
    """Computes and caches probabilities; call ``clear`` when the stored rows change."""

    engine: Engine
    store: Path
    _rows: dict[str, OnlineRow] = field(default_factory=dict)
    _champions: dict[int, Champion] = field(default_factory=dict)
    _probabilities: dict[tuple[str, int, bool], Any] = field(default_factory=dict)

    def probabilities(self, game: str, number: int, *, begun: bool) -> Any:
        """Return the probabilities as in the version's answer for the game."""
        if (game, number, begun) not in self._probabilities:
            plan = ForecastPlan(self.champion(number), self.row(game), begun, key="")
            body = make_body(plan, explained=False)
            self._probabilities[game, number, begun] = orjson.loads(body)["probabilities"]
        return self._probabilities[game, number, begun]

    def champion(self, number: int) -> Champion:
        if number not in self._champions:
            settings = settings_for(self.engine, self.store)
            self._champions[number] = load_version(bundle_store(settings), version(self.engine, MODEL, number), 0)
        return self._champions[number]

    def row(self, game: str) -> OnlineRow:
        if not self._rows:
            self._rows = {row.game.game_id: row for row in load_rows(self.engine)}
        return self._rows[game]

    def clear(self) -> None:
        self._rows, self._probabilities = {}, {}

"""What graded games add to the roll-ups. All sums are of whole numbers, so adding and taking back are exact."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.database.bulk_insert import add_tuples
from serving.monitoring.answer_scores import MILLION
from serving.monitoring.tables import BIN_SUMS, SUMS, YARDSTICKS, bins, rollups

Row = Mapping[str, Any]
Cell = tuple[Any, ...]
"""Values of the key of ``rollups``, in its order."""
Bins = defaultdict[tuple[int, int], list[int]]
OF_FORECAST: Final = ("sport", "league", "model", "version", "shadow", "lead_time")
SIDES: Final = ("home", "draw", "away")
TENTH: Final = MILLION // 10


class RollupChange:
    """How the roll-ups change by games that are graded, or whose grades are taken back."""

    def __init__(self) -> None:
        self._sums: defaultdict[Cell, list[int]] = defaultdict(lambda: [0] * len(SUMS))
        self._bins: defaultdict[Cell, Bins] = defaultdict(lambda: defaultdict(lambda: [0] * len(BIN_SUMS)))
        """By cell, then by outcome and bin."""

    def add(self, games: Iterable[Row], forecasts: Iterable[Row], sign: int) -> None:
        """Add the forecasts of these games with sign 1, or take them back with sign -1."""
        by_id = {game["game_id"]: game for game in games}
        for forecast in forecasts:
            game = by_id[forecast["game_id"]]
            key = *(forecast[name] for name in OF_FORECAST), game["month"], game["odds_band"]
            for yardstick in YARDSTICKS:
                if game[f"{yardstick}_home"] is not None:
                    self._add_pair((*key, yardstick), game, forecast, sign)

    def apply(self, connection: Connection) -> None:
        """Write the change; a cell without games is deleted."""
        flat = {(*cell, *place): sums for cell, cells in self._bins.items() for place, sums in cells.items()}
        for table, changes in ((rollups, self._sums), (bins, flat)):
            add_tuples(connection, table, [(*cell, *sums) for cell, sums in sorted(changes.items()) if any(sums)])
            _delete_empty(connection, table, [cell for cell, sums in changes.items() if min(sums) < 0])

    def _add_pair(self, cell: Cell, game: Row, forecast: Row, sign: int) -> None:
        sums, yardstick = self._sums[cell], cell[-1]
        for place, value in enumerate(_pair_sums(game, forecast, yardstick)):
            sums[place] += sign * value
        if game["outcome"] is not None:
            _add_bins(self._bins[cell], game, forecast, yardstick, sign)


def _pair_sums(game: Row, forecast: Row, yardstick: str) -> Iterator[int]:
    """The numbers of ``SUMS``, in their order."""
    yield from (1, forecast["answers"], forecast["servings"])
    decided = game["outcome"] is not None
    yield int(decided)
    for score in ("log_loss", "brier"):
        yield from (forecast[score], game[f"{yardstick}_{score}"]) if decided else (0, 0)
    for score in ("margin_error", "total_error"):
        other = game[f"{yardstick}_{score}"]
        yield from (0, 0, 0) if other is None else (1, forecast[score], other)
    clv = forecast["clv"] if yardstick == "market" else None
    yield from (0, 0) if clv is None else (1, clv)


def _add_bins(held: Bins, game: Row, forecast: Row, yardstick: str, sign: int) -> None:
    """Add the probabilities of both to the numbers of ``BIN_SUMS``."""
    for outcome, side in enumerate(SIDES):
        own, other = forecast[f"p_{side}"], game[f"{yardstick}_{side}"]
        if own is None or other is None:
            continue
        happened = sign if game["outcome"] == outcome else 0
        sums = held[outcome, min(own // TENTH, 9)]
        sums[0] += sign
        sums[1] += sign * own
        sums[2] += happened
        sums[3] += sign * (own * (MILLION - own) // MILLION)
        sums = held[outcome, min(other // TENTH, 9)]
        sums[4] += sign
        sums[5] += sign * other
        sums[6] += happened


def _delete_empty(connection: Connection, table: sa.Table, cells: Sequence[tuple[Any, ...]]) -> None:
    """Delete those of the cells that hold nothing any more."""
    if not cells:
        return
    counts = [column == 0 for column in table.columns if column.name in ("games", "model_games")]
    key = list(table.primary_key)
    same = [column == sa.bindparam(f"key_{column.name}") for column in key]
    parameters = [{f"key_{column.name}": value for column, value in zip(key, cell, strict=True)} for cell in cells]
    connection.execute(sa.delete(table).where(*same, *counts), parameters)

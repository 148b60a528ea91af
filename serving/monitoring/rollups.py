"""What graded games add to the roll-ups. All sums are of whole numbers, so adding and taking back are exact."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.database.bulk_insert import add_tuples
from serving.monitoring.said import MILLION
from serving.monitoring.tables import BIN_SUMS, SUMS, YARDSTICKS, bins, rollups

Row = Mapping[str, Any]
CELL: Final = tuple(column.name for column in rollups.primary_key)
BIN_KEY: Final = tuple(column.name for column in bins.primary_key)
SUM_NAMES: Final = tuple(name for name, _ in SUMS)
BIN_NAMES: Final = tuple(name for name, _ in BIN_SUMS)
SIDES: Final = ("home", "draw", "away")
TENTH: Final = MILLION // 10


class RollupChange:
    """How the roll-ups change by games that are graded, or whose grades are taken back."""

    def __init__(self) -> None:
        self._sums: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(SUM_NAMES))
        self._bins: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(BIN_NAMES))

    def add(self, games: Iterable[Row], forecasts: Iterable[Row], sign: int) -> None:
        """Add the forecasts of these games with sign 1, or take them back with sign -1."""
        by_id = {game["game_id"]: game for game in games}
        for forecast in forecasts:
            game = by_id[forecast["game_id"]]
            for yardstick in YARDSTICKS:
                if game[f"{yardstick}_home"] is not None:
                    self._add_pair(game, forecast, yardstick, sign)

    def apply(self, connection: Connection) -> None:
        """Write the change; a cell without games is deleted."""
        for table, changes in ((rollups, self._sums), (bins, self._bins)):
            add_tuples(connection, table, [(*cell, *sums) for cell, sums in sorted(changes.items()) if any(sums)])
            _delete_empty(connection, table, [cell for cell, sums in changes.items() if min(sums) < 0])

    def _add_pair(self, game: Row, forecast: Row, yardstick: str, sign: int) -> None:
        cell = tuple(
            yardstick if name == "yardstick" else forecast[name] if name in forecast else game[name] for name in CELL
        )
        sums = self._sums[cell]
        for place, value in enumerate(_pair_sums(game, forecast, yardstick)):
            sums[place] += sign * value
        if game["outcome"] is not None:
            for key, values in _bin_sums(game, forecast, yardstick):
                held = self._bins[cell + key]
                for place, value in enumerate(values):
                    held[place] += sign * value


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


def _bin_sums(game: Row, forecast: Row, yardstick: str) -> Iterator[tuple[tuple[int, int], tuple[int, ...]]]:
    """Outcome and bin, with the numbers of ``BIN_SUMS``."""
    for outcome, side in enumerate(SIDES):
        own, other = forecast[f"p_{side}"], game[f"{yardstick}_{side}"]
        if own is not None and other is not None:
            happened = int(game["outcome"] == outcome)
            variance = own * (MILLION - own) // MILLION
            yield (outcome, min(own // TENTH, 9)), (1, own, happened, variance, 0, 0, 0)
            yield (outcome, min(other // TENTH, 9)), (0, 0, 0, 0, 1, other, happened)


def _delete_empty(connection: Connection, table: sa.Table, cells: Sequence[tuple[Any, ...]]) -> None:
    """Delete those of the cells that hold nothing any more."""
    if not cells:
        return
    counts = [column == 0 for column in table.columns if column.name in ("games", "model_games")]
    key = list(table.primary_key)
    same = [column == sa.bindparam(f"key_{column.name}") for column in key]
    parameters = [{f"key_{column.name}": value for column, value in zip(key, cell, strict=True)} for cell in cells]
    connection.execute(sa.delete(table).where(*same, *counts), parameters)

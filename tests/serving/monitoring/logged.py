"""A prediction log as a server writes it, for grading."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, League, Leagues
from core.database.transactions import reading, writing
from core.database.upserts import insert_new
from feature_store.archive import store
from feature_store.archive.facts import FactBatch
from serving.monitoring import tables
from serving.monitoring.grading import GradingReport, grade
from serving.predictions.tables import answers, predictions
from tests.conftest import NOW

LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")
YEARS = 36_500
GRADES = (tables.tallies, tables.graded_games, tables.graded_forecasts, tables.rollups, tables.bins)


class Said(NamedTuple):
    """One serving of an answer. The answers of a game with the same probabilities and version are one."""

    game_id: str
    served_at: datetime
    chances: tuple[float, float, float]
    margin: float = 0.5
    total: float = 2.5
    version: int = 1
    shadow: bool = False

    @property
    def answer_id(self) -> str:
        return f"{hash((self.game_id, self.chances, self.margin, self.version)) & 0xFFFFFFFFFFFF:x}"


def write_log(engine: Engine, said: Sequence[Said], first: int = 0, league: League = EPL) -> None:
    """Append the servings to the log; ``first`` makes the ids of further calls different."""
    with writing(engine) as connection:
        insert_new(
            connection,
            answers,
            [
                {
                    "answer_id": one.answer_id,
                    "sport": league.sport,
                    "league": league.key,
                    "game_id": one.game_id,
                    "model": f"{league.key}-results",
                    "version": one.version,
                    "features": "f",
                    "as_of": one.served_at - timedelta(hours=1),
                    "p_home": one.chances[0],
                    "p_draw": one.chances[1] if league.outcomes == 3 else None,
                    "p_away": one.chances[2],
                    "margin": one.margin,
                    "total": one.total,
                }
                for one in said
            ],
        )
        insert_new(
            connection,
            predictions,
            [
                {
                    "served_id": f"s{first + number}",
                    "answer_id": one.answer_id,
                    "request_id": "r",
                    "served_at": one.served_at,
                    "cache": "local",
                    "key_id": None,
                    "shadow": one.shadow,
                }
                for number, one in enumerate(said)
            ],
        )


def record(engine: Engine, facts: FactBatch, league: League = EPL) -> None:
    store.record(engine, league, facts, source="test", recorded_at=NOW)


def run(engine: Engine, now: datetime = NOW, days: int = YEARS) -> GradingReport:
    return grade(engine, LEAGUES, now, days)


def dump(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the tables of grades, in order of their keys."""
    with reading(engine) as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in GRADES
        }


def rows(engine: Engine, table: sa.Table, **chosen: Any) -> list[dict[str, Any]]:
    query = sa.select(table).where(*(table.c[name] == value for name, value in chosen.items()))
    with reading(engine) as connection:
        return [dict(row) for row in connection.execute(query.order_by(*table.primary_key)).mappings()]

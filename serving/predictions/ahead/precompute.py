"""Forecasts of all coming games, computed ahead and stored in Redis for the servers."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Engine

from core.betting.leagues import load_leagues
from core.clock import Clock
from core.database.engines import open_database
from core.errors import DbsbmError, DependencyError
from core.registry.deployment import deployments, versions
from core.settings import Settings
from core.signing import signer
from feature_store.rows.online import OnlineRow, load_rows
from serving.champions.champion import Champions
from serving.champions.loader import load_champion
from serving.predictions.body import has_begun
from serving.predictions.plan import ForecastPlan, make_bodies
from serving.predictions.redis_cache import PURPOSE, write_all

BODIES_AT_ONCE: Final = 256


@dataclass(frozen=True)
class PrecomputeReport:
    """Result of one run. Without Redis ``written`` is 0, and the run only checked that every game can be forecast."""

    games: int
    scored: int
    written: int
    champions: tuple[str, ...]
    refused: dict[str, str]
    """Why a champion could not be loaded, by model name."""
    unscored: dict[str, str]
    """Why a game has no forecast, by ``league/game_id``."""
    seconds: float


def score_upcoming(settings: Settings, clock: Clock, leagues: list[str] | None = None) -> PrecomputeReport:
    """Forecast every game that has not begun, in the given leagues or all, and store the bodies in Redis.

    The keys are those of the server, so that its first request for a game is a cache hit. Without Redis the run only
    checks that every game can be forecast. Raises ResourceNotFoundError for an unknown league, DatabaseError or
    CacheError if the database or Redis is unavailable.
    """
    began = time.monotonic()
    all_leagues = load_leagues(settings.leagues_file)
    selected = None if leagues is None else [all_leagues.get(name).key for name in leagues]
    engine = open_database(settings.database)
    try:
        champions, refused = _load(engine, settings, selected)
        now = clock.now()
        rows = [row for row in load_rows(engine, selected) if not has_begun(row, now)]
    finally:
        engine.dispose()
    bodies, unscored = _forecast(champions, rows, now)
    if settings.redis is not None:
        write_all(settings.redis, signer(settings, PURPOSE), bodies)
    return PrecomputeReport(
        games=len(rows),
        scored=len(bodies),
        written=0 if settings.redis is None else len(bodies),
        champions=tuple(f"{item.model} {item.version.version}" for item in champions.loaded.values()),
        refused=refused,
        unscored=unscored,
        seconds=time.monotonic() - began,
    )


def _load(engine: Engine, settings: Settings, leagues: list[str] | None) -> tuple[Champions, dict[str, str]]:
    """Load every deployed champion; return them, and why the others could not be loaded, by model."""
    champions, refused = Champions(), {}
    league_of = {version.model: version.league for version in versions(engine)}
    for record in deployments(engine).values():
        if leagues is not None and league_of.get(record.model) not in leagues:
            continue
        try:
            champion = load_champion(engine, settings, record)
        except DependencyError:
            raise
        except DbsbmError as error:
            refused[record.model] = str(error)
        else:
            if champion is not None:
                champions.put(champion)
    return champions, refused


def _forecast(champions: Champions, rows: list[OnlineRow], now: datetime) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return bodies by cache key, and why a game has none, by name."""
    plans, refused = [], {}
    for row in rows:
        try:
            plans.append(ForecastPlan.of(champions.for_row(row), row, now))
        except DbsbmError as error:
            refused[_name(row)] = error.message
    bodies = {}
    for start in range(0, len(plans), BODIES_AT_ONCE):
        batch = plans[start : start + BODIES_AT_ONCE]
        for plan, body in zip(batch, make_bodies(batch, explained=True), strict=True):
            if isinstance(body, DbsbmError):
                refused[_name(plan.row)] = body.message
            else:
                bodies[plan.key] = body
    return bodies, refused


def _name(row: OnlineRow) -> str:
    return f"{row.league}/{row.game.game_id}"

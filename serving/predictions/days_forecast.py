"""Forecasts of a range of days by the league's champion, without a server."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.errors import ServiceError
from core.registry import deployment
from core.registry.bundles.contents import Bundle
from core.registry.bundles.store import bundle_store
from core.registry.deployment import Version, model_name
from core.settings import Settings
from feature_store.archive import store as archive
from feature_store.features.sets import demanded_by
from feature_store.rows.replay import coming_rows, past_rows
from feature_store.rows.row import Row


class ForecastRecord(NamedTuple):
    """One game's forecast; in two-way leagues ``p_draw`` is None and the others are those of a decided game."""

    game_id: str
    start_at: datetime
    home_team: str
    away_team: str
    p_home: float
    p_draw: float | None
    p_away: float
    margin: float
    total: float


@dataclass(frozen=True)
class DaysForecast:
    """Forecasts with their champion; ``left_out`` counts the games that the model learned from."""

    champion: str
    games: Sequence[ForecastRecord]
    left_out: int


def forecast_days(
    engine: Engine, settings: Settings, league: League, *, start: datetime, end: datetime, now: datetime
) -> DaysForecast:
    """Forecast every game that starts in [start, end): past ones as of their start, future ones as of now.

    Raises ServiceError when the league has no champion.
    """
    version, bundle = _champion(engine, settings, league)
    features = demanded_by(bundle.manifest.features, bundle.manifest.fingerprint, league.sport)
    facts = archive.load(engine, league, now)
    coming, _ = coming_rows(league, facts, features, now)
    rows = [row for row in (*past_rows(league, facts, features), *coming) if start <= row.game.start_at < end]
    unseen = [row for row in rows if row.game.start_at >= version.trained_until]
    games = _records(bundle, unseen) if unseen else []
    return DaysForecast(f"{version.model} version {version.version}", games, len(rows) - len(unseen))


def _champion(engine: Engine, settings: Settings, league: League) -> tuple[Version, Bundle]:
    model = model_name(league.key, "results")
    record = deployment.deployments(engine).get(model)
    if record is None or record.champion is None:
        msg = f"{league.key} has no champion yet."
        raise ServiceError(msg, hint=f"`dbsbm train --league {league.key}`, then `dbsbm promote {model}`.")
    version = deployment.version(engine, model, record.champion)
    return version, bundle_store(settings).open_version(version)


def _records(bundle: Bundle, rows: Sequence[Row]) -> list[ForecastRecord]:
    three_way = "draw" in bundle.forecaster.spec.classes
    records = []
    for row, forecast in zip(rows, bundle.forecaster.predict([row.values for row in rows]), strict=True):
        outcome = forecast.outcome
        home = outcome.home if three_way else outcome.decided_home
        records.append(
            ForecastRecord(
                row.game.game_id,
                row.game.start_at,
                row.game.home_team,
                row.game.away_team,
                home,
                outcome.draw if three_way else None,
                outcome.away if three_way else 1 - home,
                forecast.margin,
                forecast.total,
            )
        )
    return records


def write_forecasts(forecasts: DaysForecast, path: Path) -> Path:
    """Write one CSV row per game, with an empty cell for a missing draw, and return the path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(ForecastRecord._fields)
        for record in forecasts.games:
            writer.writerow([value.isoformat() if isinstance(value, datetime) else value for value in record])
    return path

"""Grades the prediction log: joins the answers about each game to its result, its closing price and the yardsticks.

A run counts the new rows of the log, reads from the change log of the archive which games have something new, and
grades those games anew: their earlier grades are taken back and the new ones added, in one transaction. So a corrected
result grades again, a game that is void or whose result is taken back has no grade, and a run that is repeated, killed
or doubled leaves the same tables. Its time depends on what is new, not on the length of the log.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core import scoring
from core.betting.leagues import League, Leagues
from core.database.bulk_insert import insert_new_tuples
from core.database.transactions import writing
from core.logs import get_logger
from feature_store.archive import store as archive
from feature_store.archive import tables as archived
from feature_store.archive.game_links import Links, links_of, with_linked_ids
from serving.monitoring import due_games
from serving.monitoring.answer_scores import NONE, graded_forecasts, millionths
from serving.monitoring.rollups import RollupChange
from serving.monitoring.tables import graded_forecasts as forecast_table
from serving.monitoring.tables import graded_games as game_table
from serving.monitoring.tallying import LOCK, prune_log, tally_log
from serving.monitoring.yardsticks import EndedGames, Yardstick, ended_games

ODDS_BANDS: Final = (("under_1.25", 1.25), ("1.25_to_1.5", 1.5), ("1.5_to_2", 2.0), ("2_to_3", 3.0), ("over_3", np.inf))
"""Fair closing decimal odds of the favourite, each below its limit."""
NO_BAND: Final = "none"

OnLeague = Callable[[str, int, int], None]
log = get_logger(__name__)


@dataclass(frozen=True)
class GradingReport:
    """What one run did."""

    tallied: int
    """Rows of the log that were counted."""
    games: int
    """Games that were due, with a result or without."""
    graded: int
    """Games that have a grade now."""
    answers: int
    """Different answers of these, counted once for each role."""
    pruned: int
    """Rows of the log that were deleted because they were old and counted."""
    skipped: tuple[str, ...]
    """Leagues with due games that are not configured."""


def grade(
    engine: Engine,
    leagues: Leagues,
    now: datetime,
    log_days: int,
    on_league: OnLeague = lambda _league, _done, _all: None,
) -> GradingReport:
    """Grade everything that is new, then prune rows of the log older than ``log_days``."""
    tallied = tally_log(engine)
    for key in archive.league_keys(engine):
        if key in leagues:
            due_games.note_changed_games(engine, leagues.get(key))
    pairs = due_games.due_leagues(engine)
    due = [leagues.get(key) for sport, key in pairs if key in leagues and leagues.get(key).sport == sport]
    skipped = tuple(sorted({key for _, key in pairs} - {league.key for league in due}))
    if skipped:
        log.warning("games of leagues that are not configured are not graded", leagues=skipped)
    games = graded = answers = 0
    for number, league in enumerate(due):
        on_league(league.key, number, len(due))
        for game_ids in due_games.due_batches(engine, league):
            games += len(game_ids)
            done = grade_games(engine, league, game_ids)
            graded, answers = graded + done[0], answers + done[1]
    return GradingReport(tallied, games, graded, answers, prune_log(engine, now, log_days), skipped)


def grade_games(engine: Engine, league: League, game_ids: Sequence[str]) -> tuple[int, int]:
    """Grade those of the games that are still due; returns how many have a grade now, and of how many answers."""
    with writing(engine, alone=LOCK) as connection:
        waiting = due_games.still_due(connection, league, game_ids)
        links = links_of(connection, league.sport, league.key)
        wanted = with_linked_ids(waiting, links)
        change = RollupChange()
        _take_back(connection, league, wanted, change)
        games, forecasts = _grades(engine, connection, league, wanted, links)
        _insert(connection, game_table, games)
        _insert(connection, forecast_table, forecasts)
        change.add(games, forecasts, 1)
        change.apply(connection)
        due_games.dismiss(connection, league, waiting)
    return len(games), sum(one["answers"] for one in forecasts if one["lead_time"] in ("all", "after_start"))


def _take_back(connection: Connection, league: League, game_ids: set[str], change: RollupChange) -> None:
    """Delete the grades of the games, and take them out of the roll-ups."""
    games, forecasts = (
        [dict(row) for row in connection.execute(sa.select(table).where(_of(table, league, game_ids))).mappings()]
        for table in (game_table, forecast_table)
    )
    change.add(games, forecasts, -1)
    if games:
        for table in (game_table, forecast_table):
            connection.execute(sa.delete(table).where(_of(table, league, game_ids)))


def _grades(
    engine: Engine, connection: Connection, league: League, game_ids: set[str], links: Links
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of both tables of grades for those of the games that ended and were forecast."""
    results = archived.results
    ended = set(connection.scalars(sa.select(results.c.game_id).where(_of(results, league, game_ids))))
    finished = with_linked_ids(ended, links)
    if not finished:
        return [], []
    facts = archive.load(engine, league, game_ids=finished)
    games = ended_games(engine, league, facts)
    canonical = {game_id: links.get(game_id, game_id) for game_id in finished}
    forecasts = graded_forecasts(connection, league, games, facts, canonical)
    forecast = {row["game_id"] for row in forecasts}
    return [row for row in _game_rows(league, games) if row["game_id"] in forecast], forecasts


def _game_rows(league: League, games: EndedGames) -> list[dict[str, Any]]:
    """The row of each ended game."""
    if not games.ids:
        return []
    scores = {
        f"{name}_{score}": values
        for name, yardstick in games.yardsticks.items()
        for score, values in _yardstick_scores(league, games, yardstick).items()
    }
    columns = {name: [None if value == NONE else value for value in column.tolist()] for name, column in scores.items()}
    order = (0, 1, 2) if league.outcomes == 3 else (0, 2)
    favourite = games.yardsticks["market"].probabilities.max(axis=1)
    return [
        {
            "sport": league.sport,
            "league": league.key,
            "game_id": game_id,
            "month": f"{games.starts[place]:%Y-%m}",
            "odds_band": odds_band(float(favourite[place])),
            "outcome": order[games.outcomes[place]] if games.outcomes[place] >= 0 else None,
            **{name: column[place] for name, column in columns.items()},
        }
        for place, game_id in enumerate(games.ids)
    ]


def odds_band(favourite: float) -> str:
    """The band of a favourite's fair closing probability; ``none`` for NaN."""
    return next((name for name, limit in ODDS_BANDS if 1 / favourite < limit), NO_BAND)


def _yardstick_scores(league: League, games: EndedGames, yardstick: Yardstick) -> Mapping[str, Any]:
    chances, decided = yardstick.probabilities, games.outcomes >= 0
    scored = decided & ~np.isnan(chances).any(axis=1)
    losses, briers, nothing = (np.full(len(games.ids), np.nan) for _ in range(3))
    losses[scored] = scoring.log_losses(chances[scored], games.outcomes[scored])
    briers[scored] = scoring.brier_scores(chances[scored], games.outcomes[scored])
    sides = (chances[:, 0], chances[:, 1] if league.outcomes == 3 else nothing, chances[:, -1])
    scores = {
        **dict(zip(("home", "draw", "away"), sides, strict=True)),
        "log_loss": losses,
        "brier": briers,
        "margin_error": np.abs(yardstick.margins - games.margins),
        "total_error": np.abs(yardstick.totals - games.totals),
    }
    return {name: millionths(values) for name, values in scores.items()}


def _insert(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    names = tuple(column.name for column in table.columns)
    insert_new_tuples(connection, table, names, [tuple(row[name] for name in names) for row in rows])


def _of(table: sa.Table, league: League, game_ids: set[str]) -> sa.ColumnElement[bool]:
    return (table.c.sport == league.sport) & (table.c.league == league.key) & table.c.game_id.in_(sorted(game_ids))

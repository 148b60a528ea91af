"""Scores of logged answers about finished games: one by one, and averaged for each span before the start.

A version that is asked a hundred times in an hour, while prices move, has forecast the game no more than one that is
asked once. So the answers of one game, version, role and span count together, as their mean.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from core import scoring
from core.arrays import FloatArray
from core.betting.leagues import League
from feature_store.archive.facts import FactBatch
from feature_store.history.fact_columns import Indices, quote_columns
from feature_store.history.point_in_time import consensus
from serving.monitoring.tables import tallies
from serving.monitoring.yardsticks import EndedGames
from serving.predictions.tables import answers

AFTER_START: Final = "after_start"
BEFORE_START: Final = "all"
LEAD_TIMES: Final = (
    ("under_1h", timedelta(hours=1)),
    ("1h_to_6h", timedelta(hours=6)),
    ("6h_to_24h", timedelta(hours=24)),
    ("1d_to_3d", timedelta(days=3)),
    ("3d_to_7d", timedelta(days=7)),
    ("over_7d", timedelta.max),
)
"""Spans between the first serving of an answer and the start, each below its limit."""

MILLION: Final = 1_000_000
SCORES: Final = ("p_home", "p_draw", "p_away", "log_loss", "brier", "margin_error", "total_error", "clv")
NONE: Final = np.iinfo(np.int64).min
"""Stands for a missing score in arrays of whole numbers."""


def lead_time(lead: timedelta) -> str:
    """The span in which an answer lies that was first served so long before the start."""
    if lead <= timedelta(0):
        return AFTER_START
    return next(name for name, limit in LEAD_TIMES if lead < limit)


def graded_forecasts(
    connection: Connection, league: League, games: EndedGames, facts: FactBatch, canonical: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The rows of ``graded_forecasts`` of these games. ``canonical``: the game of each id that answers may name."""
    logged = _answers(connection, league, canonical)
    place = {game_id: number for number, game_id in enumerate(games.ids)}
    logged = [one for one in logged if canonical[one.game_id] in place]
    if not logged:
        return []
    game = np.array([place[canonical[one.game_id]] for one in logged])
    scores = _scores(league, games, facts, logged, game)
    cells: dict[tuple[int, str, int, bool, str], list[int]] = defaultdict(list)
    for number, one in enumerate(logged):
        lead = lead_time(games.starts[game[number]] - one.first_served_at)
        for span in (lead,) if lead == AFTER_START else (lead, BEFORE_START):
            cells[int(game[number]), one.model, one.version, bool(one.shadow), span].append(number)
    servings = np.array([one.servings for one in logged], dtype=np.int64)
    return [
        {
            "sport": league.sport,
            "league": league.key,
            "game_id": games.ids[of_game],
            "model": model,
            "version": version,
            "shadow": shadow,
            "lead_time": span,
            "answers": len(numbers),
            "servings": int(servings[numbers].sum()),
            **{name: _mean(scores[name][numbers]) for name in SCORES},
        }
        for (of_game, model, version, shadow, span), numbers in cells.items()
    ]


def millionths(values: FloatArray) -> NDArray[np.int64]:
    """The values as whole millionths; ``NONE`` for NaN."""
    missing = np.isnan(values)
    return np.where(missing, NONE, np.rint(np.where(missing, 0, values) * MILLION)).astype(np.int64)


def _answers(connection: Connection, league: League, game_ids: Mapping[str, str]) -> Sequence[sa.Row[Any]]:
    stated, counted = answers.c, tallies.c
    query = (
        sa.select(
            *(
                stated[name]
                for name in ("game_id", "model", "version", "p_home", "p_draw", "p_away", "margin", "total")
            ),
            *(counted.shadow, counted.servings, counted.first_served_at),
        )
        .join_from(answers, tallies, stated.answer_id == counted.answer_id)
        .where(stated.sport == league.sport, stated.league == league.key, stated.game_id.in_(sorted(game_ids)))
    )
    return connection.execute(query).all()


def _scores(
    league: League, games: EndedGames, facts: FactBatch, logged: Sequence[sa.Row[Any]], game: Indices
) -> dict[str, NDArray[np.int64]]:
    """Each answer's scores in millionths, by name."""
    sides = ("p_home", "p_draw", "p_away") if league.outcomes == 3 else ("p_home", "p_away")
    stated = np.array([[getattr(one, side) for side in sides] for one in logged], dtype=np.float64)
    chances = stated / stated.sum(axis=1, keepdims=True)
    outcomes, decided = games.outcomes[game], games.outcomes[game] >= 0
    log_losses, briers = (np.full(len(logged), np.nan) for _ in range(2))
    log_losses[decided] = scoring.log_losses(chances[decided], outcomes[decided])
    briers[decided] = scoring.brier_scores(chances[decided], outcomes[decided])
    margins, totals = (
        np.array([getattr(one, name) for one in logged], dtype=np.float64) for name in ("margin", "total")
    )
    scores = {
        "log_loss": log_losses,
        "brier": briers,
        "margin_error": np.abs(margins - games.margins[game]),
        "total_error": np.abs(totals - games.totals[game]),
        "clv": _closing_values(league, games, facts, logged, game, chances),
        "p_draw": np.full(len(logged), np.nan),
        **{side: chances[:, number] for number, side in enumerate(sides)},
    }
    return {name: millionths(values) for name, values in scores.items()}


def _closing_values(
    league: League,
    games: EndedGames,
    facts: FactBatch,
    logged: Sequence[sa.Row[Any]],
    game: Indices,
    chances: FloatArray,
) -> FloatArray:
    """What each answer's best bet, at the books' mean price when it was first served, is worth at the fair close.

    NaN where no side was worth a bet, where there was no price then or at the close, and after the start.
    """
    place = {game_id: number for number, game_id in enumerate(games.ids)}
    starts = np.array([start.timestamp() for start in games.starts])
    moments = np.array([one.first_served_at.timestamp() for one in logged])
    prices = consensus(quote_columns(facts.quotes, place), game, moments, starts[game], outcomes=league.outcomes)
    odds = prices.odds if league.outcomes == 3 else prices.odds[:, ::2]
    fair = games.yardsticks["market"].probabilities[game]
    edges = np.where(np.isnan(odds), -np.inf, chances * odds - 1)
    side = edges.argmax(axis=1)[:, None]
    worth = (np.take_along_axis(edges, side, axis=1)[:, 0] > 0) & (moments < starts[game])
    values = np.take_along_axis(odds * fair, side, axis=1)[:, 0] - 1
    return np.where(worth, values, np.nan)


def _mean(values: NDArray[np.int64]) -> int | None:
    """The mean of those that are there, rounded; whole numbers, so that it does not depend on their order."""
    there = values[values != NONE]
    return (2 * int(there.sum()) + len(there)) // (2 * len(there)) if len(there) else None

"""How finished games ended, and what base rate, Elo and the market gave for them, as known at each game's start.

Base rate: the shares of the league's outcomes, and its mean margin and total, over the results that were known at the
start, of games that ended since 1 January of the year before last; one game of each outcome is added. Elo: the rating
gap that the features have, by Elo's formula; a draw takes from both sides in the measure in which they are even.
Market: the closing consensus without its overround, as in evaluations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.arrays import FloatArray
from core.betting.leagues import League
from core.betting.odds import devig
from core.database.transactions import reading
from core.scoring import outcomes_of
from feature_store.archive import tables as archive
from feature_store.archive.facts import FactBatch, GameFact, Result
from feature_store.archive.versions import INSTANT
from feature_store.features.sets import feature_set
from feature_store.history.consensus_prices import consensus_prices
from feature_store.history.fact_columns import Indices, columns_of
from feature_store.history.ratings import POINTS_PER_LOGIT, SCALE, rules_of
from feature_store.rows import checkpoints
from feature_store.rows.replay import past_table

YEARS: Final = 2
RATING_GAP: Final = feature_set("rating gap", ("rating_gap",))


@dataclass(frozen=True, eq=False)
class Yardstick:
    """One yardstick's forecasts, an entry per game; NaN where it has none."""

    probabilities: FloatArray
    """Shape (games, outcomes of the league)."""
    margins: FloatArray
    totals: FloatArray


@dataclass(frozen=True, eq=False)
class EndedGames:
    """Games that ended with a result, with the yardsticks' forecasts; every array has one entry per game."""

    ids: tuple[str, ...]
    starts: tuple[datetime, ...]
    outcomes: Indices
    """Place of the outcome in the league's order; -1 where the game ended level and that is no outcome."""
    margins: FloatArray
    totals: FloatArray
    yardsticks: dict[str, Yardstick]


def ended_games(engine: Engine, league: League, facts: FactBatch) -> EndedGames:
    """Those of the games that have a result that stands and were not called off, in order of start."""
    latest: dict[str, GameFact] = {game.game_id: game for game in facts.games}
    results: dict[str, Result] = {result.game_id: result for result in facts.results}
    ended = sorted(
        (game for game in latest.values() if game.status != "void" and _stands(results.get(game.game_id))),
        key=lambda game: (game.start_at, game.game_id),
    )
    home, away = (
        np.array([getattr(results[game.game_id], f"{side}_score") for game in ended], dtype=np.float64)
        for side in ("home", "away")
    )
    starts = tuple(game.start_at for game in ended)
    base = _base_rate(engine, league, starts)
    yardsticks = {}
    if ended:
        yardsticks = {
            "base_rate": base,
            "elo": _elo(engine, league, ended, base),
            "market": _market(league, facts, ended),
        }
    outcomes = outcomes_of(home - away, league.outcomes)
    return EndedGames(tuple(game.game_id for game in ended), starts, outcomes, home - away, home + away, yardsticks)


def _stands(result: Result | None) -> bool:
    return result is not None and result.home_score is not None and result.away_score is not None


def _base_rate(engine: Engine, league: League, starts: Sequence[datetime]) -> Yardstick:
    classes = league.outcomes
    shares, means = np.empty((len(starts), classes)), np.full((len(starts), 2), np.nan)
    if not starts:
        return Yardstick(shares, *means.T)
    begin = _years_before(min(starts))
    known, until, finished, home, away = _result_versions(engine, league, begin)
    margins, totals = home - away, home + away
    outcomes = outcomes_of(margins, classes)
    for place, start in enumerate(starts):
        at = start.timestamp()
        chosen = (known <= at) & (at < until) & (finished >= _years_before(start).timestamp()) & (finished <= at)
        decided = outcomes[chosen & (outcomes >= 0)]
        counts = np.bincount(decided, minlength=classes) + 1.0
        shares[place] = counts / counts.sum()
        if chosen.any():
            means[place] = margins[chosen].mean(), totals[chosen].mean()
    return Yardstick(shares, means[:, 0], means[:, 1])


def _years_before(moment: datetime) -> datetime:
    return datetime(moment.year - YEARS, 1, 1, tzinfo=UTC)


def _result_versions(engine: Engine, league: League, since: datetime) -> tuple[FloatArray, ...]:
    """Every version of every result since then: known from, known until, end, home and away score."""
    results = archive.results.c
    query = (
        sa.select(results.game_id, results.known_at, results.finished_at, results.home_score, results.away_score)
        .where(results.sport == league.sport, results.league == league.key, results.finished_at >= since)
        .order_by(results.game_id, results.known_at)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    known = np.array([row.known_at.timestamp() for row in rows])
    same = [one.game_id == other.game_id for one, other in pairwise(rows)]
    until = np.full(len(rows), np.inf)
    until[:-1] = np.where(same, known[1:], np.inf)
    kept = np.array([row.home_score is not None and row.away_score is not None for row in rows], dtype=np.bool_)
    finished = np.array([row.finished_at.timestamp() for row in rows])
    home, away = (
        np.array([np.nan if row[place] is None else row[place] for row in rows], dtype=np.float64) for place in (3, 4)
    )
    return known[kept], until[kept], finished[kept], home[kept], away[kept]


def _elo(engine: Engine, league: League, ended: Sequence[GameFact], base: Yardstick) -> Yardstick:
    first, last = ended[0].start_at, ended[-1].start_at
    with reading(engine) as connection:
        built = checkpoints.built_revision(connection, league)
    key = checkpoints.valid_checkpoints(engine, league, built).latest(settled_by=first)
    checkpoint = checkpoints.load_checkpoint(engine, league, key)
    until = last + INSTANT
    facts = checkpoints.facts_after(engine, league, checkpoint, until=until)
    table = past_table(league, columns_of(facts), RATING_GAP, since=first, until=until, base=checkpoint)
    gaps = {
        table.facts.versions[version].game_id: gap
        for version, gap in zip(table.version.tolist(), table.values[:, 0].tolist(), strict=True)
    }
    gap = np.array([gaps.get(game.game_id, np.nan) for game in ended])
    expected = 1 / (1 + 10 ** (-gap / SCALE))
    draws = np.minimum(base.probabilities[:, 1], 0.5) if league.outcomes == 3 else np.zeros(len(ended))
    home, away = expected * (1 - 2 * draws * (1 - expected)), (1 - expected) * (1 - 2 * draws * expected)
    chances = np.column_stack((home, away))
    if league.outcomes == 3:
        chances = np.column_stack((home, 1 - home - away, away))
    margin = POINTS_PER_LOGIT * rules_of(league.sport).margin_deviation * np.log(expected / (1 - expected))
    return Yardstick(chances, margin, np.full(len(ended), np.nan))


def _market(league: League, facts: FactBatch, ended: Sequence[GameFact]) -> Yardstick:
    starts = np.array([game.start_at.timestamp() for game in ended])
    close = consensus_prices(league, facts.quotes, [game.game_id for game in ended], starts, "close")
    return Yardstick(devig(close.odds), close.margin, close.total)

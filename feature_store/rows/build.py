"""Bring a league's online rows and state up to date, going on from its ladder.

The rows are those of the replay that training runs, as of now; only what is new in the archive is played.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database import reading, upsert, writing
from core.errors import ConflictError
from feature_store.archive.facts import Batch
from feature_store.features.sets import EVERYTHING
from feature_store.history.fact_columns import columns_of
from feature_store.history.league_state import LeagueState, Rung
from feature_store.rows import checkpoints, tables
from feature_store.rows.bounds import parted
from feature_store.rows.online import stored_row
from feature_store.rows.replay import climb, coming_rows

KEPT_AFTER_START: Final = timedelta(days=7)
ATTEMPTS: Final = 5
RUNGS_IN_A_PART: Final = 4
"""A year."""


@dataclass(frozen=True)
class Built:
    """What one build stored: games to come, rows that changed, and games the state has seen."""

    league: str
    upcoming: int
    changed: int
    played: int
    kept_out: dict[str, str]
    """Games to come whose row cannot be meant and is not served, with the feature that says so, by game id."""


def build(engine: Engine, league: League, now: datetime) -> Built:
    """Compute the rows of the league's coming games and its state as of now, and store both in one transaction.

    A build that finds, when it is done, that another one stored a later moment meanwhile leaves that in place.
    Raises ConflictError when other builds of the league get in between again and again.
    """
    for _ in range(ATTEMPTS):
        with reading(engine) as connection:
            before, begun_at = checkpoints.built_revision(connection, league), _built_at(connection, league)
        standing = checkpoints.standing(engine, league, before)
        highest, settled = standing.below(None), standing.below(now)
        top = checkpoints.rung_at(engine, league, highest)
        start = top if settled == highest else checkpoints.rung_at(engine, league, settled)
        climbed, facts, lowest = _climbed(engine, league, top)
        base = next((new for new in reversed(climbed) if new.settled_at <= now), start)
        if lowest is not None and (base is None or base.horizon < lowest.horizon):
            facts = checkpoints.facts_above(engine, league, base, known_by=now)
        rows, state = coming_rows(league, facts, EVERYTHING, now, base)
        served, kept_out = parted(rows)
        fresh = [stored_row(league, row) for row in served]
        with writing(engine) as connection:
            built, built_at = checkpoints.built_revision(connection, league, lock=True), _built_at(connection, league)
            if built_at is not None and built_at > now and built_at != begun_at:
                return Built(league.key, len(fresh), 0, state.games, kept_out)
            if built == before:
                checkpoints.rebuild(connection, standing, climbed)
                changed = _store_rows(connection, league, fresh, now)
                _store_state(connection, league, state, now, standing.revision)
                return Built(league.key, len(fresh), changed, state.games, kept_out)
    raise ConflictError(f"{league.key} is being built elsewhere again and again.", hint="Build from one place.")


def _climbed(engine: Engine, league: League, top: Rung | None) -> tuple[list[Rung], Batch, Rung | None]:
    """The rungs above ``top``, the facts read last, and the rung above whose horizon these are complete.

    A long way up is read in parts, so that a million games are never in memory together.
    """
    horizons = checkpoints.horizons(engine, league, top)
    climbed: list[Rung] = []
    lowest, done = top, 0
    while len(horizons) - done > RUNGS_IN_A_PART:
        part = horizons[done : done + RUNGS_IN_A_PART]
        facts = checkpoints.facts_above(engine, league, lowest, until=part[-1])
        climbed += climb(league, columns_of(facts), lowest, part)
        lowest, done = climbed[-1], done + len(part)
    facts = checkpoints.facts_above(engine, league, lowest)
    climbed += climb(league, columns_of(facts), lowest, horizons[done:])
    return climbed, facts, lowest


def _built_at(connection: Connection, league: League) -> datetime | None:
    states = tables.states.c
    return connection.scalar(sa.select(states.as_of).where(states.sport == league.sport, states.league == league.key))


def _store_rows(connection: Connection, league: League, fresh: list[dict[str, Any]], now: datetime) -> int:
    """Store the rows that changed, remove those of games called off or long begun; returns how many changed."""
    of_league = (tables.rows.c.sport == league.sport) & (tables.rows.c.league == league.key)
    known = dict(
        connection.execute(sa.select(tables.rows.c.game_id, tables.rows.c.digest).where(of_league)).tuples().all()
    )
    changed = [row for row in fresh if known.get(row["game_id"]) != row["digest"]]
    upsert(connection, tables.rows, changed)
    still_due = {row["game_id"] for row in fresh}
    due = sa.select(tables.rows.c.game_id).where(of_league, tables.rows.c.start_at >= now)
    called_off = [game_id for (game_id,) in connection.execute(due) if game_id not in still_due]
    gone = tables.rows.c.game_id.in_(called_off) | (tables.rows.c.start_at < now - KEPT_AFTER_START)
    connection.execute(sa.delete(tables.rows).where(of_league, gone))
    return len(changed)


def _store_state(connection: Connection, league: League, state: LeagueState, now: datetime, revision: int) -> None:
    row = {
        "sport": league.sport,
        "league": league.key,
        "as_of": now,
        "version": EVERYTHING.fingerprint(league.sport),
        "games": state.games,
        "revision": revision,
        "body": state.to_json(),
    }
    upsert(connection, tables.states, [row])

"""Brings a league's online rows and state up to date, from its latest valid checkpoint.

The rows are those of the replay that training runs, as of now; only what is new in the archive is played.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database.clock import check_not_ahead
from core.database.transactions import reading, writing
from core.database.upserts import upsert
from core.errors import ConflictError
from feature_store.archive.facts import FactBatch
from feature_store.features.sets import EVERYTHING
from feature_store.history.fact_columns import columns_of
from feature_store.history.league_state import Checkpoint, LeagueState
from feature_store.rows import checkpoints, tables
from feature_store.rows.bounds import split_servable
from feature_store.rows.online import stored_row
from feature_store.rows.published_quotes import publish_quotes
from feature_store.rows.replay import coming_rows, make_checkpoints
from feature_store.rows.shown_prices import with_shown_prices

KEPT_AFTER_START: Final = timedelta(days=7)
ATTEMPTS: Final = 5
CHECKPOINTS_PER_PART: Final = 4
"""A year of checkpoints is made from facts in memory together."""


@dataclass(frozen=True)
class Built:
    """What one build stored: games to come, rows that changed, and games played into the state."""

    league: str
    upcoming: int
    changed: int
    played: int
    kept_out: dict[str, str]
    """Games to come whose row is implausible and not served, with the feature outside its bounds, by game id."""


def build(engine: Engine, league: League, now: datetime, withheld: Collection[str] = ()) -> Built:
    """Bring the league's rows, its state and the published quotes of its games up to date, as of now.

    Neither rows nor quotes are stored of ``withheld`` ids, which may be games that are stored under other ids.

    If another build has stored a later moment meanwhile, that stays in place. Raises ConflictError when other builds of
    the league interfere ``ATTEMPTS`` times in a row, ClockError if now is far ahead of the database's clock.
    """
    built = _build_rows(engine, league, now, withheld)
    publish_quotes(engine, league, now)
    return built


def _build_rows(engine: Engine, league: League, now: datetime, withheld: Collection[str]) -> Built:
    """Compute the rows of the league's coming games and its state as of now, and store both in one transaction."""
    for _ in range(ATTEMPTS):
        with reading(engine) as connection:
            before, begun_at = checkpoints.built_revision(connection, league), _built_at(connection, league)
        valid = checkpoints.valid_checkpoints(engine, league, before)
        latest, settled = valid.latest(), valid.latest(settled_by=now)
        top = checkpoints.load_checkpoint(engine, league, latest)
        start = top if settled == latest else checkpoints.load_checkpoint(engine, league, settled)
        made, facts, complete_after = _make_missing(engine, league, top)
        base = next((new for new in reversed(made) if new.settled_at <= now), start)
        if complete_after is not None and (base is None or base.horizon < complete_after.horizon):
            facts = checkpoints.facts_after(engine, league, base, known_by=now)
        rows, state = coming_rows(league, facts, EVERYTHING, now, base)
        served, kept_out = split_servable(with_shown_prices(engine, league, rows, now))
        fresh = [stored_row(league, row) for row in served if row.game.game_id not in withheld]
        with writing(engine) as connection:
            check_not_ahead(connection, now)
            built, built_at = checkpoints.built_revision(connection, league, lock=True), _built_at(connection, league)
            if built_at is not None and built_at > now and built_at != begun_at:
                return Built(league.key, len(fresh), 0, state.games, kept_out)
            if built == before:
                checkpoints.replace_checkpoints(connection, valid, made)
                changed = _store_rows(connection, league, fresh, now)
                _store_state(connection, league, state, now, valid.revision)
                return Built(league.key, len(fresh), changed, state.games, kept_out)
    raise ConflictError(f"{league.key}: other builds interfered {ATTEMPTS} times.", hint="Build from one place.")


def _make_missing(
    engine: Engine, league: League, top: Checkpoint | None
) -> tuple[list[Checkpoint], FactBatch, Checkpoint | None]:
    """The checkpoints after ``top``, the facts read last, and the checkpoint after which these are complete.

    A long time is read in parts, so that a million games are never in memory together.
    """
    horizons = checkpoints.new_horizons(engine, league, top)
    made: list[Checkpoint] = []
    last, done = top, 0
    while len(horizons) - done > CHECKPOINTS_PER_PART:
        part = horizons[done : done + CHECKPOINTS_PER_PART]
        facts = checkpoints.facts_after(engine, league, last, until=part[-1])
        made += make_checkpoints(league, columns_of(facts), last, part)
        last, done = made[-1], done + len(part)
    facts = checkpoints.facts_after(engine, league, last)
    made += make_checkpoints(league, columns_of(facts), last, horizons[done:])
    return made, facts, last


def _built_at(connection: Connection, league: League) -> datetime | None:
    states = tables.states.c
    return connection.scalar(sa.select(states.as_of).where(states.sport == league.sport, states.league == league.key))


def _store_rows(connection: Connection, league: League, fresh: list[dict[str, Any]], now: datetime) -> int:
    """Store the rows that changed, delete those of games called off or long begun; returns how many changed."""
    of_league = (tables.rows.c.sport == league.sport) & (tables.rows.c.league == league.key)
    # A row of a later moment, which a clock that was ahead has written, is written again.
    held = sa.select(tables.rows.c.game_id, tables.rows.c.digest).where(of_league, tables.rows.c.as_of <= now)
    digests = dict(connection.execute(held).tuples().all())
    changed = [row for row in fresh if digests.get(row["game_id"]) != row["digest"]]
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

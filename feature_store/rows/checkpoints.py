"""Stored checkpoints of a league's state: a build continues from the latest valid one, not from the beginning.

A checkpoint depends on the archive's content alone, not on the moment of a build: it is the state after all games that
ended by its horizon. A change of such a game makes it invalid, and those after it; a build makes them again from the
last valid one. There is one checkpoint per quarter of a year, and one two days before the newest result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database.transactions import reading
from core.database.upserts import upsert
from feature_store.archive import store as archive
from feature_store.archive.change_log import first_end_changed, newest_revision
from feature_store.archive.facts import FactBatch
from feature_store.archive.queries import first_and_last_end, games_in_time
from feature_store.history.league_state import Checkpoint, LeagueState
from feature_store.history.ratings import state_fingerprint
from feature_store.rows import tables

SETTLING: Final = timedelta(days=2)
"""Results of the last two days are played again in each build: most corrections come by then."""

RESULT_LEAD: Final = timedelta(days=31)
"""Games that end so much later are read, too: some results are known before the end that their source gives."""

QUARTER_MONTHS: Final = (1, 4, 7, 10)


class CheckpointKey(NamedTuple):
    """A stored checkpoint without its state."""

    horizon: datetime
    settled_at: datetime


@dataclass(frozen=True)
class ValidCheckpoints:
    """The valid checkpoints of a league, as of a revision of its archive."""

    league: League
    revision: int
    """Everything up to this entry of the change log is in the valid checkpoints."""
    keys: tuple[CheckpointKey, ...]
    """In order of time."""

    def latest(self, settled_by: datetime | None = None) -> CheckpointKey | None:
        """The latest checkpoint that had settled by the moment; the latest of all without one."""
        settled = [key for key in self.keys if settled_by is None or key.settled_at <= settled_by]
        return settled[-1] if settled else None


def built_revision(connection: Connection, league: League, *, lock: bool = False) -> int:
    """The last revision of the change log that the stored checkpoints include; -1 before the first build."""
    states = tables.states.c
    row = sa.select(states.revision).where(states.sport == league.sport, states.league == league.key)
    revision = connection.scalar(row.with_for_update() if lock else row)
    return -1 if revision is None else int(revision)


def valid_checkpoints(engine: Engine, league: League, built: int) -> ValidCheckpoints:
    """The checkpoints that nothing written since revision ``built`` has made invalid."""
    stored = tables.checkpoints.c
    query = (
        sa.select(stored.horizon, stored.settled_at)
        .where(
            stored.sport == league.sport, stored.league == league.key, stored.version == state_fingerprint(league.sport)
        )
        .order_by(stored.horizon)
    )
    with reading(engine) as connection:
        # The revision first: what is written meanwhile is then read again, not missed.
        revision = newest_revision(connection, league.sport, league.key)
        first_end = first_end_changed(connection, league, built) if revision > built else None
        keys = [CheckpointKey(*row) for row in connection.execute(query)]
    valid = tuple(key for key in keys if first_end is None or key.horizon < first_end)
    return ValidCheckpoints(league, revision, valid)


def load_checkpoint(engine: Engine, league: League, key: CheckpointKey | None) -> Checkpoint | None:
    """The checkpoint with its state; None for None, and when another build has removed or replaced it meanwhile."""
    if key is None:
        return None
    stored = tables.checkpoints.c
    body = sa.select(stored.body).where(
        stored.sport == league.sport,
        stored.league == league.key,
        stored.horizon == key.horizon,
        stored.settled_at == key.settled_at,
        stored.version == state_fingerprint(league.sport),
    )
    with reading(engine) as connection:
        text = connection.scalar(body)
    return None if text is None else Checkpoint(key.horizon, key.settled_at, LeagueState.from_json(text))


def facts_after(
    engine: Engine,
    league: League,
    base: Checkpoint | None,
    *,
    until: datetime | None = None,
    known_by: datetime | None = None,
) -> FactBatch:
    """Every fact of the games that start or end after the checkpoint; of all games without one.

    With ``until`` only of games that start or end before it, or little later; with ``known_by`` only what was known.
    """
    if base is None and until is None:
        return archive.load(engine, league, known_by)
    with reading(engine) as connection:
        wanted = games_in_time(
            connection,
            league,
            after=None if base is None else base.horizon,
            before=None if until is None else until + RESULT_LEAD,
        )
    return archive.load(engine, league, known_by, game_ids=wanted)


def new_horizons(engine: Engine, league: League, after: Checkpoint | None) -> list[datetime]:
    """Horizons of the checkpoints to make after another one, by the archive's results, in order of time."""
    with reading(engine) as connection:
        earliest, newest = first_and_last_end(connection, league)
    if earliest is None or newest is None:
        return []
    top = (newest - SETTLING).replace(hour=0, minute=0, second=0, microsecond=0)
    first = earliest if after is None else after.horizon
    quarters = [
        datetime(year, month, 1, tzinfo=UTC) for year in range(first.year, top.year + 1) for month in QUARTER_MONTHS
    ]
    return sorted({horizon for horizon in (*quarters, top) if first < horizon <= top})


def is_quarterly(horizon: datetime) -> bool:
    """Whether the checkpoint at the horizon is one of the quarterly ones."""
    return horizon.day == 1 and horizon.month in QUARTER_MONTHS


def replace_checkpoints(connection: Connection, valid: ValidCheckpoints, made: Sequence[Checkpoint]) -> None:
    """Store the new checkpoints, and delete those that are invalid or that newer ones replace."""
    stored, league = tables.checkpoints.c, valid.league
    kept = [key.horizon for key in valid.keys if is_quarterly(key.horizon) or not made]
    connection.execute(
        sa.delete(tables.checkpoints).where(
            stored.sport == league.sport, stored.league == league.key, stored.horizon.not_in(kept)
        )
    )
    upsert(
        connection,
        tables.checkpoints,
        [
            {
                "sport": league.sport,
                "league": league.key,
                "horizon": one.horizon,
                "settled_at": one.settled_at,
                "version": state_fingerprint(league.sport),
                "body": one.state.to_json(),
            }
            for one in made
        ],
    )

"""A league's ladder of states: a build goes on from the highest rung that stands, not from the beginning.

Rungs depend on the archive's content alone, not on the moment of a build: each is the state after all games that
ended by its horizon. A change of such a game makes the rung fall, and those above it; a build climbs again from the
one below. There is one rung per quarter of a year, and one two days below the newest result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database import reading, upsert
from feature_store.archive import store as archive
from feature_store.archive.change_log import first_end_changed, newest_revision
from feature_store.archive.facts import Batch
from feature_store.archive.queries import first_and_last_end, games_in_time
from feature_store.history.league_state import LeagueState, Rung
from feature_store.history.ratings import state_fingerprint
from feature_store.rows import tables

SETTLING: Final = timedelta(days=2)
"""Results of the last two days are played anew in each build: most corrections come by then."""

AHEAD: Final = timedelta(days=31)
"""A part holds games that end so much later, too: some results are known before the end their source gives."""

MONTHS_OF_RUNGS: Final = (1, 4, 7, 10)


class Step(NamedTuple):
    """A stored rung without its state."""

    horizon: datetime
    settled_at: datetime


@dataclass(frozen=True)
class Ladder:
    """What stands of a league's ladder, as of a revision of its archive."""

    league: League
    revision: int
    """Everything up to this entry of the change log is in the rungs that stand."""
    steps: tuple[Step, ...]
    """In order of time."""

    def below(self, moment: datetime | None) -> Step | None:
        """The highest step that had settled by the moment; the highest of all without one."""
        standing = [step for step in self.steps if moment is None or step.settled_at <= moment]
        return standing[-1] if standing else None


def built_revision(connection: Connection, league: League, *, lock: bool = False) -> int:
    """Up to where in the change log the stored rungs go; -1 before the first build."""
    states = tables.states.c
    row = sa.select(states.revision).where(states.sport == league.sport, states.league == league.key)
    found = connection.scalar(row.with_for_update() if lock else row)
    return -1 if found is None else int(found)


def standing(engine: Engine, league: League, built: int) -> Ladder:
    """The ladder after what has been written since revision ``built`` made rungs fall."""
    rungs = tables.checkpoints.c
    steps = (
        sa.select(rungs.horizon, rungs.settled_at)
        .where(
            rungs.sport == league.sport, rungs.league == league.key, rungs.version == state_fingerprint(league.sport)
        )
        .order_by(rungs.horizon)
    )
    with reading(engine) as connection:
        # First the revision: what is written while we read is then read again, not missed.
        revision = newest_revision(connection, league.sport, league.key)
        fallen = first_end_changed(connection, league, built) if revision > built else None
        stored = [Step(*row) for row in connection.execute(steps)]
    return Ladder(league, revision, tuple(step for step in stored if fallen is None or step.horizon < fallen))


def rung_at(engine: Engine, league: League, step: Step | None) -> Rung | None:
    """The step with its state; None without one, and when another build has taken it away or replaced it meanwhile."""
    if step is None:
        return None
    rungs = tables.checkpoints.c
    body = sa.select(rungs.body).where(
        rungs.sport == league.sport,
        rungs.league == league.key,
        rungs.horizon == step.horizon,
        rungs.settled_at == step.settled_at,
        rungs.version == state_fingerprint(league.sport),
    )
    with reading(engine) as connection:
        text = connection.scalar(body)
    return None if text is None else Rung(step.horizon, step.settled_at, LeagueState.from_json(text))


def facts_above(
    engine: Engine,
    league: League,
    rung: Rung | None,
    *,
    until: datetime | None = None,
    known_by: datetime | None = None,
) -> Batch:
    """Every fact of the games that start or end after the rung; of all games without one.

    With ``until`` only of games that start or end before it, or little later; with ``known_by`` only what was known.
    """
    if rung is None and until is None:
        return archive.load(engine, league, known_by)
    with reading(engine) as connection:
        wanted = games_in_time(
            connection,
            league,
            after=None if rung is None else rung.horizon,
            before=None if until is None else until + AHEAD,
        )
    return archive.load(engine, league, known_by, game_ids=wanted)


def horizons(engine: Engine, league: League, above: Rung | None) -> list[datetime]:
    """Where rungs shall stand above another, going by the archive's results, in order of time."""
    with reading(engine) as connection:
        earliest, newest = first_and_last_end(connection, league)
    if earliest is None or newest is None:
        return []
    top = (newest - SETTLING).replace(hour=0, minute=0, second=0, microsecond=0)
    first = earliest if above is None else above.horizon
    quarters = [
        datetime(year, month, 1, tzinfo=UTC) for year in range(first.year, top.year + 1) for month in MONTHS_OF_RUNGS
    ]
    return sorted({horizon for horizon in (*quarters, top) if first < horizon <= top})


def is_lasting(horizon: datetime) -> bool:
    """Whether the rung at the horizon is one of the quarterly ones."""
    return horizon.day == 1 and horizon.month in MONTHS_OF_RUNGS


def rebuild(connection: Connection, ladder: Ladder, climbed: Sequence[Rung]) -> None:
    """Store the new rungs, and remove those that fell or that newer ones replace."""
    rungs, league = tables.checkpoints.c, ladder.league
    kept = [step.horizon for step in ladder.steps if is_lasting(step.horizon) or not climbed]
    connection.execute(
        sa.delete(tables.checkpoints).where(
            rungs.sport == league.sport, rungs.league == league.key, rungs.horizon.not_in(kept)
        )
    )
    upsert(
        connection,
        tables.checkpoints,
        [
            {
                "sport": league.sport,
                "league": league.key,
                "horizon": rung.horizon,
                "settled_at": rung.settled_at,
                "version": state_fingerprint(league.sport),
                "body": rung.state.to_json(),
            }
            for rung in climbed
        ],
    )

"""Rows B2 and E3: migrations killed after every statement and run under traffic; a backup restored under traffic."""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from flows.jobs.repairs.restoration import restore_database
from migrations import schema
from migrations.backup import backup
from serving.access.api_keys import create_key, revoke_key
from tests.chaos.outcome import Outcome, row
from tests.chaos.rows.redis import phase
from tests.chaos.stage import Stage, until
from tests.chaos.world import hot_games
from tests.migrations.test_killed_migrations import KILLED, OLDEST, fill_oldest, run, state_of

RELEASED = "20261128_column_comments"
"""The schema of the release before."""


@row(
    "B2",
    "SIGKILL after each statement of every migration, up and down; under traffic, the last release's schema and back",
)
def killed_migrations(stage: Stage, scale: float, outcome: Outcome) -> None:
    engine = open_database(stage.database.recreate("killed"))
    counts, expected = _count_statements(stage), {}
    killed, wrong = 0, []
    every = max(1, round(1 / scale))
    for direction, revision in (("upgrade", "head"), ("downgrade", OLDEST)):
        for statement in range(1, counts[direction], every):
            stage.database.recreate("killed")
            fill_oldest(engine)
            if direction == "downgrade":
                schema.upgrade(engine)
            killed += run(engine, direction, revision, statement) == KILLED
            schema.upgrade(engine)
            made = state_of(engine)
            if (
                schema.differences(engine)
                or schema.unfinished(engine)
                or made[0] != expected.setdefault("made", made[0])
            ):
                wrong.append(f"{direction} at {statement}")
            if direction == "upgrade" and made != expected.setdefault("rows", made):
                wrong.append(f"rows of {direction} at {statement}")
    engine.dispose()
    with stage.load() as load:
        time.sleep(phase(scale, 5))
        schema.downgrade(stage.engine, RELEASED)
        time.sleep(phase(scale, 5))
        schema.upgrade(stage.engine)
        time.sleep(phase(scale, 5))
    outcome.report(
        f"killed {killed} times, of {sum(counts.values())} statements, {len(wrong)} ended otherwise than undisturbed"
    )
    outcome.expect(not wrong, f"another schema or other rows after {wrong[:5]}")
    outcome.traffic(load.answers, within=200, bare=load.bare)


def _count_statements(stage: Stage) -> dict[str, int]:
    """The statements of an undisturbed upgrade and downgrade, the journal's included."""
    engine = open_database(stage.database.recreate("counted"))
    fill_oldest(engine)
    counts, seen = {}, []
    sa.event.listen(engine, "after_cursor_execute", lambda *_: seen.append(None))
    for direction, migrate, revision in (("upgrade", schema.upgrade, "head"), ("downgrade", schema.downgrade, OLDEST)):
        before = len(seen)
        migrate(engine, revision)
        counts[direction] = len(seen) - before
    engine.dispose()
    return counts


@row("E3", "under traffic, a backup is restored that has another champion and a key that was revoked since")
def restored_backup(stage: Stage, scale: float, outcome: Outcome) -> None:
    old, new = next(stage.ring), next(stage.ring)
    stage.wait_for_generation(stage.models.promote(old).generation)
    now = datetime.now(UTC)
    stolen = create_key(stage.engine, owner="stolen", scopes=["predict"], expires_at=now + timedelta(days=1), now=now)
    with tempfile.TemporaryDirectory() as folder, stage.load() as load:
        file = Path(folder, "b.gz")
        backup(stage.engine, file, now=datetime.now(UTC))
        revoke_key(stage.engine, stolen.key_id, datetime.now(UTC))
        promoted = stage.models.promote(new)
        stage.wait_for_generation(promoted.generation)
        time.sleep(phase(scale, 5))
        began = time.monotonic()
        plan = restore_database(stage.engine, file, Leagues(BUILT_IN), replace=True, now=datetime.now(UTC))
        took = time.monotonic() - began
        followed = stage.wait_for_generation(promoted.generation + 1)
        time.sleep(phase(scale, 5))
        champion = stage.ask("/readyz")[1]["models"]["EPL-results"]["version"]
    refused = until(lambda: stage.ask(f"/v1/predictions/{hot_games()[0]}", **{"X-API-Key": stolen.text})[0] == 401, 5)
    outcome.report(f"{sum(plan.rows.values())} rows restored in {took:.1f} s, followed {followed:.1f} s after")
    outcome.expect(champion == old, f"version {champion} answers, not {old}")
    outcome.expect(refused < 5, "the revoked key is valid again")
    outcome.expect(any("stay revoked" in said for said in plan.statements), f"not named: {plan.statements}")
    outcome.traffic(load.answers, within=200, bare=load.bare)
    stage.wait_for_generation(stage.models.promote(new).generation)

"""One step that kills its own process with SIGKILL at a point of its talk with databases and disk; prints their number.

Arguments: the step, the number of the point at which to die (0: none), the address of our database, the moment, and
the bot's address or the folder of CSV or Parquet files. ``run`` starts it.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from feature_store.rows.build import build
from feature_store.rows.offline import materialize
from feature_store.sources.bot.snapshot import snapshot
from feature_store.sources.csv.backfill import backfill
from tests.forked import Ended, run_module

LEAGUES = Leagues(BUILT_IN)
EVENTS = ("begin", "commit", "before_cursor_execute", "after_cursor_execute")


def run(step: str, engine: Engine, now: datetime, other: str, *, killed_at: int) -> Ended:
    """Run the step in a process of its own, which kills itself at that point; never at 0."""
    address = engine.url.render_as_string(hide_password=False)
    return run_module(
        "tests.laws.archive.dying_run", step, str(killed_at), address, now.isoformat(), other,
        environment={"PATH": os.environ["PATH"]},
    )  # fmt: skip


def steps(ours: Engine, now: datetime, other: str) -> dict[str, Callable[[], object]]:
    epl = LEAGUES.get("EPL")
    return {
        "backfill": lambda: backfill(ours, LEAGUES, [Path(other)], now=now),
        "snapshot": lambda: snapshot(open_database(make_url(other)), ours, LEAGUES, now=now),
        "build": lambda: build(ours, epl, now),
        "materialize": lambda: materialize(ours, epl, Path(other), now),
    }


def main(step: str, last: str, address: str, moment: str, other: str) -> None:
    ours, points = open_database(make_url(address)), count(1)
    reached = 0

    def point(*_told: Any) -> None:
        nonlocal reached
        reached = next(points)
        if reached == int(last):
            os.kill(os.getpid(), signal.SIGKILL)

    for name in EVENTS:
        sa.event.listen(ours, name, point)
    for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "write_text"), (pq, "write_table")):
        setattr(owner, name, _between(getattr(owner, name), point))
    steps(ours, datetime.fromisoformat(moment), other)[step]()
    sys.stdout.write(f"{reached}\n")


def _between(honest: Callable[..., Any], point: Callable[[], None]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        point()
        done = honest(*given, **named)
        point()
        return done

    return call


if __name__ == "__main__":
    main(*sys.argv[1:])

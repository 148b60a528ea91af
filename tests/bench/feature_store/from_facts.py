"""The whole feature build from an archive on SQLite, online rows and past rows: time and peak memory by league size.

``python -m tests.bench.feature_store.from_facts 1000 10000``: for each size one process fills an archive, another one builds it,
beside pandas rolling means of ten columns over as many games.
"""

import resource
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from math import log
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.database.transactions import writing
from feature_store.rows import tables
from feature_store.rows.build import build
from feature_store.rows.offline import materialize
from migrations import schema
from tests.bench.feature_store.features import SIZES, generated, rolling, timed
from tests.bench.feature_store.online import FIRST_DAY, fill

LEAGUE = Leagues(BUILT_IN).get("EPL")
NOW = FIRST_DAY + timedelta(days=36_000)
FEW = 100_000
"""Beyond it one round is enough."""


def filled(folder: str, games: int) -> None:
    engine = open_database(make_url(f"sqlite:///{folder}/ours.db"))
    schema.upgrade(engine)
    fill(engine, LEAGUE, games)
    engine.dispose()


def measured(folder: str, games: int) -> None:
    """Builds from nothing, interleaved with pandas; prints one line."""
    engine = open_database(make_url(f"sqlite:///{folder}/ours.db"))
    build(engine, Leagues(BUILT_IN).get("NFL"), NOW)  # the compiled code is loaded before the clock runs
    before = _peak()
    ours = [_built(engine, Path(folder) / "rows")]
    peak = _peak()
    theirs_work = rolling(generated(games))
    theirs = [timed(theirs_work)]
    for _ in range(2 if games <= FEW else 0):
        ours.append(_built(engine, Path(folder) / "rows"))
        theirs.append(timed(theirs_work))
    mine, pandas = median(ours), median(theirs)
    print(
        f"{games} {mine:.4f} feature build from an archive of {games:,} games: {mine:.2f} s ({mine / games * 1e6:.0f} us a"
        f" game), {mine / pandas:.1f} of pandas' rolling ({pandas:.3f} s), peak {peak:.0f} MiB ({peak - before:.0f} MiB"
        " above the process before)",
        flush=True,
    )
    engine.dispose()


def _built(engine: Engine, rows: Path) -> float:
    shutil.rmtree(rows, ignore_errors=True)
    with writing(engine) as connection:
        for table in (tables.checkpoints, tables.states, tables.rows):
            connection.execute(sa.delete(table))
    began = time.perf_counter()
    build(engine, LEAGUE, NOW)
    materialize(engine, LEAGUE, rows, NOW)
    return time.perf_counter() - began


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(sizes: tuple[int, ...] = SIZES) -> None:
    points = []
    for size in sizes:
        with TemporaryDirectory() as folder:
            for step in ("fill", "measure"):
                command = [sys.executable, "-m", "tests.bench.feature_store.from_facts", step, folder, str(size)]
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        games, seconds, text = said.strip().split(" ", 2)
        points.append((log(float(games)), log(float(seconds))))
        print(text, flush=True)
    if len(points) > 1:
        slope = np.polyfit(*zip(*points, strict=True), 1)[0]
        print(f"feature build from an archive: log-log slope {slope:.2f} over {sizes[0]:,} to {sizes[-1]:,} games")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fill", folder, games]:
            filled(folder, int(games))
        case ["measure", folder, games]:
            measured(folder, int(games))
        case sizes:
            run(tuple(map(int, sizes)) or SIZES)

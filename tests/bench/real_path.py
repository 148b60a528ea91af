"""The real path on private MariaDB and Redis processes with all development data: times and row counts."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from tests.conftest import DEVELOPMENT_DATA
from tests.services import mariadb_server, redis_server

STEPS = (
    ("db upgrade",),
    ("backfill", str(DEVELOPMENT_DATA)),
    ("backfill", str(DEVELOPMENT_DATA)),
    ("features build",),
    ("train --league NFL",),
    ("train --league NFL --recipe prices",),
    ("train --league EPL",),
    ("train --league EPL --recipe prices",),
    ("promote NFL-results",),
    ("promote NFL-prices",),
    ("promote EPL-results",),
    ("promote EPL-prices",),
    ("models",),
    ("backtest --league NFL --seasons 2018-2020 --no-odds --output nfl.csv",),
    ("backtest --league NFL --seasons 2018-2020 --with-odds --output nfl-odds.csv",),
    ("backtest --league EPL --seasons 2020-2021 --no-odds --output epl.csv",),
    ("backtest --league EPL --seasons 2020-2021 --with-odds --output epl-odds.csv",),
    ("forecast --league NFL --from 2020-09-01 --to 2021-03-01",),
    ("doctor",),
)


def main() -> None:
    """Run every step as a person would and print what it said and how long it took."""
    if not DEVELOPMENT_DATA.is_dir():
        print(f"real path: skipped, no development data at {DEVELOPMENT_DATA}")
        return
    with tempfile.TemporaryDirectory() as folder, mariadb_server() as mariadb, redis_server() as redis:
        address = mariadb.recreate("ours")
        environment = os.environ | {
            "DATABASE_URL": address.render_as_string(hide_password=False),
            "REDIS_URL": redis.url,
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow/mlflow.db",
            "BUNDLE_DIR": f"{folder}/bundles",
        }
        for step in STEPS:
            words = [*step[0].split(), *step[1:]]
            began = time.monotonic()
            done = subprocess.run([sys.executable, "-m", "flows.cli", *words], cwd=folder, env=environment, check=False)
            print(f"== dbsbm {' '.join(words)}: exit {done.returncode}, {time.monotonic() - began:.1f} s\n", flush=True)
        _print_rows(address)
        for file in sorted(Path(folder).glob("*.csv")):
            print(f"{file.name}: {len(file.read_text().splitlines()) - 1} games")


def _print_rows(address: sa.URL) -> None:
    engine = sa.create_engine(address)
    with engine.connect() as connection:
        for name in sorted(sa.inspect(engine).get_table_names()):
            rows = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name)))
            print(f"{name}: {rows:,} rows")
    engine.dispose()


if __name__ == "__main__":
    main()

"""What ``tests.forked`` imports once for all the processes that it forks: nothing that reads a setting.

The compiled fold is loaded, too; where no cache has it yet, this compiles it.
"""

import os
from importlib import import_module
from pkgutil import walk_packages

from core.registry.tracking.store import keep_quiet

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when its library is loaded
keep_quiet()

LIBRARIES = (
    "cryptography.fernet",
    "lightgbm",
    "matplotlib.pyplot",
    "mlflow.pyfunc",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "pandas",
    "pyarrow.parquet",
    "pymysql",
    "sklearn.linear_model",
    "sqlalchemy.dialects.mysql",
    "sqlalchemy.dialects.sqlite",
)
ROOMS = ("core", "feature_store", "training")
COMMANDS = (
    "flows.cli.main",
    "flows.cli.session",
    "flows.jobs",
    "migrations.backup",
    "migrations.schema",
    "serving.predictions.log",
)

for name in (*LIBRARIES, *ROOMS, *COMMANDS):
    import_module(name)
for room in ROOMS:
    for module in walk_packages(import_module(room).__path__, f"{room}."):
        import_module(module.name)


def fold_some_games() -> None:
    from core.betting.leagues import BUILT_IN, Leagues
    from tests.generated import invented_facts
    from training.datasets.assembly import dataset_of

    dataset_of(Leagues(BUILT_IN).get("EPL"), invented_facts(0, games=10))


fold_some_games()

"""What ``tests.forked`` imports once for all the processes that it forks: nothing that reads a setting or a file."""

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

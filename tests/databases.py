"""Databases with the newest schema and empty MLflow stores, each migrated once and then copied."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from core.database.engines import open_database
from core.registry.tracking.store import prepare_store
from migrations import schema
from tests.services import MariaDb

MIGRATED = "migrated"


def migrated_file(path: Path) -> Path:
    """An SQLite file with the newest schema and no rows."""
    engine = open_database(make_url(f"sqlite:///{path}"))
    schema.upgrade(engine)
    engine.dispose()
    return path


def migrated_tables(mariadb: MariaDb) -> dict[str, str]:
    """Make the database ``migrated`` on the server; returns the statement that creates each of its tables."""
    engine = open_database(mariadb.recreate(MIGRATED))
    schema.upgrade(engine)
    with engine.connect() as connection:
        tables = {
            name: str(connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1])
            for name in sa.inspect(connection).get_table_names()
        }
    engine.dispose()
    return tables


def copy_migrated(engine: Engine, tables: dict[str, str]) -> None:
    """Give an empty database on the same server these tables, and the rows that the migrations wrote."""
    with engine.connect() as connection:
        connection.exec_driver_sql("SET foreign_key_checks = 0")  # a table may come before one that it refers to
        for name, statement in tables.items():
            connection.exec_driver_sql(statement.replace("%", "%%"))
            connection.exec_driver_sql(f"INSERT INTO `{name}` SELECT * FROM `{MIGRATED}`.`{name}`")
        connection.commit()
        connection.exec_driver_sql("SET foreign_key_checks = 1")


def mlflow_store(folder: Path) -> str:
    """The address of an MLflow store in the folder; an empty one is put there when there is none."""
    store = folder / "mlflow.db"
    if not store.exists():
        shutil.copytree(_empty_store(), folder, dirs_exist_ok=True)
    return f"sqlite:///{store}"


@cache
def _empty_store() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mlflow-"))
    prepare_store(f"sqlite:///{folder}/mlflow.db", folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

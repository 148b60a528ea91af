"""The MLflow store itself: where it is, how it is created, and what its failures become."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from core.errors import ConfigurationError, ExternalServiceError
from core.text.addresses import as_database_url, shown
from core.text.redaction import words_of

QUIET: Final[Mapping[str, str]] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_MODEL_CATALOG_URI": "",
    "MLFLOW_CONFIGURE_LOGGING": "false",
}
"""No telemetry, no search for a project's lock file, and no minutes of retries while the store is unavailable."""


def keep_quiet() -> None:
    """Set these before MLflow is imported; variables that the environment has already set stay."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def local_folder(uri: str) -> Path | None:
    """Folder of the artifacts of an SQLite store; None for a server or another database."""
    address = as_database_url(uri)
    if address is None:
        raise ConfigurationError("MLFLOW_TRACKING_URI is neither the address of a server nor of a database.")
    if address.get_backend_name() != "sqlite" or not address.database:
        return None
    return Path(address.database).resolve().parent


def is_prepared(uri: str) -> bool:
    """Whether a local store exists in the version that this MLflow writes; of a server that is assumed."""
    folder = local_folder(uri)
    return folder is None or (_marker(folder).exists() and Path(make_url(uri).database or "").exists())


def prepare_store(uri: str, folder: Path) -> None:
    """Create or upgrade a local store under a lock: two processes doing so at once would make each other fail."""
    import fcntl

    from mlflow import MlflowClient

    folder.mkdir(parents=True, exist_ok=True)
    if is_prepared(uri):
        return
    with (folder / ".prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
        _marker(folder).touch()


def _marker(folder: Path) -> Path:
    from importlib.metadata import version

    return folder / f".prepared-{version('mlflow-skinny')}"


@contextmanager
def as_external_error(uri: str) -> Iterator[None]:
    """Raise ExternalServiceError for failures of MLflow, its store and its transport."""
    try:
        from mlflow.exceptions import MlflowException
        from requests import RequestException
    except ImportError as error:
        msg = f"MLflow is not installed completely: {error.name} is missing."
        raise ExternalServiceError(msg, hint="Install the extra `train`.") from error
    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        where = shown(make_url(uri))
        raise ExternalServiceError(
            f"MLflow at {where} failed: {words_of(error)}", hint="Run `dbsbm doctor`."
        ) from error

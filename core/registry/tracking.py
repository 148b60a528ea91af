"""The MLflow client: runs, registered models and aliases. The only module that imports MLflow."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from core.errors import ConfigurationError, ExternalServiceError
from core.registry.bundle import Manifest
from core.registry.deployment import Deployment, Version

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
"""No phone home, no look for a project's lock file, and no minutes of retries when the store is away."""

MODEL: Final = "model"


@dataclass(frozen=True)
class Run:
    """What a training run leaves in MLflow."""

    experiment: str
    name: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    pictures: Sequence[Path]
    documents: Mapping[str, str]
    """Text artifacts by file name."""
    scores: Mapping[str, Any]
    """Kept beside the version in our own table, for the promotion gate and for people."""


class Tracking:
    """One MLflow store or server. Every method raises ExternalServiceError when it does not answer."""

    def __init__(self, uri: str) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        self._uri = uri
        self._folder = _local_folder(uri)
        with _as_external_error(uri):
            import mlflow

            if self._folder is not None:
                _prepare_store(uri, self._folder)
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            self._mlflow = mlflow
            self._client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    def record(
        self, run: Run, folder: Path, manifest: Manifest, example: Mapping[str, float], now: datetime
    ) -> Version:
        """Log the run with its bundle as a model and register that; the returned version is not yet in our tables."""
        model = manifest.model
        with _as_external_error(self._uri):
            self._mlflow.set_experiment(experiment_id=self._experiment(run.experiment))
            with self._mlflow.start_run(run_name=run.name, tags=dict(run.tags)) as active:
                self._mlflow.log_params({name: str(value)[:500] for name, value in run.parameters.items()})
                self._mlflow.log_metrics(dict(run.metrics))
                for picture in run.pictures:
                    self._mlflow.log_artifact(str(picture), "pictures")
                for name, text in run.documents.items():
                    self._mlflow.log_text(text, name)
                logged = self._log_bundle(folder, manifest, example)
            run_id: str = active.info.run_id
            number = self._new_version(model, logged, run_id)
            self._client.set_registered_model_alias(model, "challenger", number)
        return Version(
            model=model,
            version=number,
            sport=manifest.sport,
            league=manifest.league,
            variant=manifest.variant,
            bundle_sha256=folder.name,
            recipe=manifest.recipe,
            features=manifest.fingerprint,
            snapshot_sha256=manifest.snapshot_sha256,
            trained_until=manifest.trained_until,
            registered_at=now,
            run_id=run_id,
            scores=run.scores,
        )

    def mirror(self, deployment: Deployment) -> None:
        """Bring MLflow's aliases in line with the deployment record, which is the truth."""
        with _as_external_error(self._uri):
            for alias in ("champion", "challenger", "previous"):
                number = getattr(deployment, alias)
                if number is not None:
                    self._client.set_registered_model_alias(deployment.model, alias, number)
                elif alias in self._client.get_registered_model(deployment.model).aliases:
                    self._client.delete_registered_model_alias(deployment.model, alias)

    def download_bundle(self, version: Version, folder: Path) -> None:
        """Fetch a version's bundle into the folder, which appears whole or not at all."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (
            _as_external_error(self._uri),
            tempfile.TemporaryDirectory(dir=folder.parent, prefix=".growing-") as growing,
        ):
            self._mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{version.model}/{version.version}", dst_path=growing
            )
            found = next(Path(growing).rglob("manifest.json"), None)
            if found is None:
                msg = f"{version.model} version {version.version} in MLflow holds no bundle."
                raise ExternalServiceError(msg)
            if not folder.exists():
                shutil.move(str(found.parent), folder)

    def reachable(self) -> str:
        """A line for ``doctor``: how many registered models the store knows."""
        with _as_external_error(self._uri):
            return f"{len(self._client.search_registered_models())} registered models"

    def _experiment(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        location = None if self._folder is None else str(self._folder / "artifacts" / name)
        return str(self._client.create_experiment(name, artifact_location=location))

    def _new_version(self, model: str, logged: Any, run_id: str) -> int:
        if not self._client.search_registered_models(f"name = '{model}'"):
            self._client.create_registered_model(model)
        made = self._client.create_model_version(model, logged.model_uri, run_id, model_id=logged.model_id)
        return int(made.version)

    def _log_bundle(self, folder: Path, manifest: Manifest, example: Mapping[str, float]) -> Any:
        import pandas
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        from core.registry.pyfunc import OUTPUTS

        names = [label.partition("@")[0] for label in manifest.features]
        signature = ModelSignature(
            inputs=Schema([ColSpec("double", name) for name in names]),
            outputs=Schema([ColSpec("double", name) for name in OUTPUTS]),
        )
        return self._mlflow.pyfunc.log_model(
            name=MODEL,
            loader_module="core.registry.pyfunc",
            data_path=str(folder),
            signature=signature,
            input_example=pandas.DataFrame([example], columns=names),
            pip_requirements=["dbsbm-predictions"],
            metadata={"bundle_sha256": folder.name, "features": manifest.fingerprint},
        )


def _local_folder(uri: str) -> Path | None:
    """Where the artifacts of an SQLite store lie; None for a server or another database."""
    try:
        address = make_url(uri)
    except ArgumentError as error:
        msg = f"MLFLOW_TRACKING_URI: {uri!r} is neither a server's address nor a database's."
        raise ConfigurationError(msg) from error
    if address.get_backend_name() != "sqlite" or not address.database:
        return None
    return Path(address.database).resolve().parent


def _prepare_store(uri: str, folder: Path) -> None:
    """Create or upgrade a local store while no other process does: two at once would crash each other."""
    import fcntl

    from mlflow import MlflowClient

    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / f".prepared-{_mlflow_version()}"
    if marker.exists() and Path(make_url(uri).database or "").exists():
        return
    with (folder / ".prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
        marker.touch()


def _mlflow_version() -> str:
    from importlib.metadata import version

    return version("mlflow-skinny")


@contextmanager
def _as_external_error(uri: str) -> Iterator[None]:
    """MLflow's, its store's and its transport's failures become ours."""
    try:
        from mlflow.exceptions import MlflowException
        from requests import RequestException
    except ImportError as error:
        msg = f"MLflow is not installed completely: {error.name} is missing."
        raise ExternalServiceError(msg, hint="Install the extra `train`.") from error
    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        shown = make_url(uri).render_as_string(hide_password=True)
        reason = str(error).splitlines()[0][:200]
        raise ExternalServiceError(f"MLflow at {shown} failed: {reason}", hint="`dbsbm doctor` looks at it.") from error

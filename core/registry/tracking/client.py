"""The MLflow client: runs, registered models and aliases. Only this module and ``store`` import MLflow."""

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from core.registry import process_identity
from core.registry.deployment import Deployment, Version
from core.registry.forecaster import FORECAST_COLUMNS
from core.registry.manifest import BundleManifest
from core.registry.tracking.runs import FinishedRun, Lineage, RefusedRun, Run
from core.registry.tracking.store import as_external_error, keep_quiet, local_folder, prepare_store
from core.version import DISTRIBUTION

MODEL: Final = "model"
LOADER: Final = "dbsbm_predictions.core.registry.pyfunc"
"""The loader's module in registered models, by the name that checkouts and installed wheels have in common."""
PROCESS_TAG: Final = "dbsbm.process"
"""Tag with the process that writes the run. If that process has ended, the run will never end by itself."""
ABANDONED_AFTER: Final = timedelta(days=1)
"""A run of another machine that is still open after this long counts as abandoned."""
LONGEST_DIGEST: Final = 36
"""Characters in MLflow's column for a dataset's digest; the whole SHA-256 is in the dataset's profile."""
LONGEST_PARAMETER: Final = 6_000


class Tracking:
    """One MLflow store or server. Every method raises ExternalServiceError when it does not answer."""

    def __init__(self, uri: str) -> None:
        keep_quiet()
        self._uri = uri
        self._folder = local_folder(uri)
        with as_external_error(uri):
            import mlflow

            if self._folder is not None:
                prepare_store(uri, self._folder)
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            self._mlflow = mlflow
            self._client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    def log_run(self, run: Run) -> str:
        """Log a run that registers nothing; returns its id."""
        with as_external_error(self._uri), self._start_run(run) as run_id:
            self._log(run_id, run)
            return run_id

    def log_refusal(self, refused: RefusedRun) -> str:
        """Log a failed run with the reason; returns its id."""
        with as_external_error(self._uri):
            tags = {
                **refused.tags,
                "mlflow.note.content": refused.description,
                PROCESS_TAG: process_identity.this_process(),
            }
            run = self._client.create_run(self._experiment(refused.experiment), tags=tags, run_name=refused.name)
            self._client.set_terminated(run.info.run_id, "FAILED")
            return str(run.info.run_id)

    @contextmanager
    def registering(
        self,
        run: Run,
        folder: Path,
        manifest: BundleManifest,
        example: Mapping[str, float],
        *,
        scores: Mapping[str, Any],
        now: datetime,
    ) -> Iterator[Version]:
        """Log the run with its bundle as a registered model; the block records the version it is given in our tables.

        The run ends with the block: if the block fails, the run is marked failed and MLflow's version is deleted again.
        """
        model = manifest.model
        with as_external_error(self._uri), self._start_run(run) as run_id:
            self._log(run_id, run)
            logged = self._log_bundle(folder, manifest, example)
            number = self._new_version(manifest, logged, run, run_id)
            with ExitStack() as undo:
                undo.callback(self._client.delete_model_version, model, str(number))
                yield Version(
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
                    scores=scores,
                )
                undo.pop_all()
            self._client.set_tag(run_id, "version", str(number))

    def close_abandoned_runs(self, experiment: str, registered: Collection[str], now: datetime) -> int:
        """Close the runs of an experiment that killed processes left open; returns how many.

        A run among ``registered`` (ids of runs whose version is in our tables) is marked finished. Any other is marked
        killed, and the versions that MLflow has of it are deleted.
        """
        with as_external_error(self._uri):
            entry = self._client.get_experiment_by_name(experiment)
            if entry is None:
                return 0
            abandoned = [run for run in self._open_runs(entry.experiment_id) if _is_abandoned(run, now)]
            for run in abandoned:
                run_id = run.info.run_id
                if run_id in registered:
                    self._client.set_terminated(run_id, "FINISHED")
                    continue
                for version in self._client.search_model_versions(f"run_id = '{run_id}'"):
                    self._client.delete_model_version(version.name, version.version)
                self._client.set_terminated(run_id, "KILLED")
            return len(abandoned)

    def runs(self, experiments: Sequence[str]) -> list[FinishedRun]:
        """The finished runs of the experiments, oldest first; an experiment that does not exist has none.

        MLflow returns at most a thousand: the newest ones.
        """
        with as_external_error(self._uri):
            names = {
                experiment.experiment_id: experiment.name
                for experiment in map(self._client.get_experiment_by_name, experiments)
                if experiment is not None
            }
            if not names:
                return []
            newest = self._client.search_runs(
                list(names), "attributes.status = 'FINISHED'", order_by=["attributes.start_time DESC"]
            )
            return [_finished_run(run, names[run.info.experiment_id]) for run in reversed(newest)]

    def document(self, run_id: str, name: str) -> str:
        """A text artifact of a run."""
        with as_external_error(self._uri), tempfile.TemporaryDirectory() as folder:
            return Path(self._client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")

    def mirror(self, deployment: Deployment) -> None:
        """Set MLflow's aliases to what the deployment record says."""
        with as_external_error(self._uri):
            for alias in ("champion", "challenger", "previous"):
                number = getattr(deployment, alias)
                if number is not None:
                    self._client.set_registered_model_alias(deployment.model, alias, number)
                elif alias in self._client.get_registered_model(deployment.model).aliases:
                    self._client.delete_registered_model_alias(deployment.model, alias)

    def download_model(self, version: Version, target: Path) -> None:
        """Download a registered version's artifacts, the bundle among them, into a folder."""
        with as_external_error(self._uri):
            self._mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{version.model}/{version.version}", dst_path=str(target)
            )

    def replace_signature(self, version: Version, signature: Path) -> None:
        """Replace the signature in MLflow's copy of a version's bundle by this file, which has the same name there."""
        with as_external_error(self._uri):
            source: str = self._client.get_model_version(version.model, str(version.version)).source
            logged = source.removeprefix("models:/")
            self._client.log_model_artifact(logged, str(signature), f"data/{version.bundle_sha256}")

    def reachable(self) -> str:
        """A line for ``dbsbm doctor``: how many registered models the store has."""
        with as_external_error(self._uri):
            return f"{len(self._client.search_registered_models())} registered models"

    def _experiment(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        # As an address: of a plain path, MLflow decodes a %2F that is part of a folder's name.
        location = None if self._folder is None else (self._folder / "artifacts" / name).as_uri()
        return str(self._client.create_experiment(name, artifact_location=location))

    @contextmanager
    def _start_run(self, run: Run) -> Iterator[str]:
        self._mlflow.set_experiment(experiment_id=self._experiment(run.experiment))
        tags = {**run.tags, PROCESS_TAG: process_identity.this_process()}
        with self._mlflow.start_run(run_name=run.name, tags=tags, description=run.description) as active:
            yield active.info.run_id

    def _log(self, run_id: str, run: Run) -> None:
        from mlflow.entities import Metric

        parameters = {name: str(value)[:LONGEST_PARAMETER] for name, value in run.parameters.items()}
        self._mlflow.log_params(parameters)
        self._mlflow.log_metrics(dict(run.metrics))
        curves = [Metric(name, value, 0, step) for name, points in sorted(run.curves.items()) for step, value in points]
        self._client.log_batch(run_id, metrics=curves)
        self._client.log_inputs(run_id, [_dataset_input(run.lineage)])
        for picture in run.pictures:
            self._client.log_artifact(run_id, str(picture), "pictures")
        for name, text in run.documents.items():
            self._client.log_text(run_id, text, name)

    def _open_runs(self, experiment_id: str) -> list[Any]:
        return list(self._client.search_runs([experiment_id], "attributes.status = 'RUNNING'"))

    def _new_version(self, manifest: BundleManifest, logged: Any, run: Run, run_id: str) -> int:
        model = manifest.model
        if not self._client.search_registered_models(f"name = '{model}'"):
            about = {"sport": manifest.sport, "league": manifest.league, "variant": manifest.variant}
            self._client.create_registered_model(model, tags=about)
        version = self._client.create_model_version(
            model, logged.model_uri, run_id, tags=dict(run.tags), description=run.description, model_id=logged.model_id
        )
        return int(version.version)

    def _log_bundle(self, folder: Path, manifest: BundleManifest, example: Mapping[str, float]) -> Any:
        import pandas
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        names = [label.partition("@")[0] for label in manifest.features]
        signature = ModelSignature(
            inputs=Schema([ColSpec("double", name) for name in names]),
            outputs=Schema([ColSpec("double", name) for name in FORECAST_COLUMNS]),
        )
        return self._mlflow.pyfunc.log_model(
            name=MODEL,
            loader_module=LOADER,
            data_path=str(folder),
            signature=signature,
            input_example=pandas.DataFrame([example], columns=names),
            pip_requirements=[DISTRIBUTION],
            metadata={"bundle_sha256": folder.name, "features": manifest.fingerprint},
        )


def _dataset_input(lineage: Lineage) -> Any:
    """MLflow's record of a dataset, with our SHA-256: MLflow's own digest covers 10,000 rows and no dates."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    columns = [{"type": kind, "name": name, "required": False} for name, kind in lineage.columns.items()]
    dataset = Dataset(
        name=lineage.name,
        digest=lineage.sha256[:LONGEST_DIGEST],
        source_type="archive",
        source=json.dumps({**lineage.source, "sha256": lineage.sha256}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({**lineage.profile, "sha256": lineage.sha256}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _is_abandoned(run: Any, now: datetime) -> bool:
    """Whether the process that opened the run has ended: certain on its own machine, assumed after a day elsewhere."""
    gone = process_identity.is_gone(run.data.tags.get(PROCESS_TAG, ""))
    return now - _moment(run) > ABANDONED_AFTER if gone is None else gone


def _moment(run: Any) -> datetime:
    return datetime.fromtimestamp(run.info.start_time / 1000, UTC)


def _finished_run(run: Any, experiment: str) -> FinishedRun:
    return FinishedRun(
        run_id=run.info.run_id,
        experiment=experiment,
        name=run.info.run_name,
        started_at=_moment(run),
        tags=dict(run.data.tags),
        parameters=dict(run.data.params),
        metrics=dict(run.data.metrics),
    )

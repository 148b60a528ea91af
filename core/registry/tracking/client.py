"""The MLflow client: runs, registered models and aliases. It and ``mlflow_store`` alone import MLflow."""

import json
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from core.errors import ExternalServiceError
from core.registry.bundles import process_identity
from core.registry.bundles.contents import Manifest
from core.registry.bundles.files import SIGNATURE, growing
from core.registry.deployment import Deployment, Version
from core.registry.tracking.runs import Lineage, Noted, Refused, Run
from core.registry.tracking.store import as_external_error, keep_quiet, local_folder, prepare_store

MODEL: Final = "model"
PROCESS_TAG: Final = "dbsbm.process"
"""Which process writes the run. A run of a process that is gone will never end by itself."""
FORGOTTEN: Final = timedelta(days=1)
"""A run of another machine that is still open after this long counts as left behind."""
LONGEST_DIGEST: Final = 36
"""Characters MLflow's table has for a dataset's digest; the whole SHA-256 stands in its profile."""
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

    def note(self, run: Run) -> str:
        """Log a run that registers nothing; returns its id."""
        with as_external_error(self._uri), self._started(run) as run_id:
            self._log(run_id, run)
            return run_id

    def note_refusal(self, refused: Refused) -> str:
        """Leave a failed run that says why; returns its id."""
        with as_external_error(self._uri):
            tags = {
                **refused.tags,
                "mlflow.note.content": refused.description,
                PROCESS_TAG: process_identity.this_process(),
            }
            made = self._client.create_run(self._experiment(refused.experiment), tags=tags, run_name=refused.name)
            self._client.set_terminated(made.info.run_id, "FAILED")
            return str(made.info.run_id)

    @contextmanager
    def recording(
        self,
        run: Run,
        folder: Path,
        manifest: Manifest,
        example: Mapping[str, float],
        *,
        scores: Mapping[str, Any],
        now: datetime,
    ) -> Iterator[Version]:
        """Log the run with its bundle as a model; the block enters the version that it is given in our own tables.

        The run ends when the block has: if that fails, the run has failed and MLflow's version is deleted again.
        """
        model = manifest.model
        with as_external_error(self._uri), self._started(run) as run_id:
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

    def tidy(self, experiment: str, registered: Collection[str], now: datetime) -> int:
        """Close the runs of an experiment that processes left open when they were killed; returns how many.

        A run among ``registered`` (ids of runs whose version stands in our tables) had done its work and is
        finished. Any other is marked killed, and the versions that MLflow has of it are deleted.
        """
        with as_external_error(self._uri):
            found = self._client.get_experiment_by_name(experiment)
            if found is None:
                return 0
            left = [run for run in self._open_runs(found.experiment_id) if _is_left_behind(run, now)]
            for run in left:
                run_id = run.info.run_id
                if run_id in registered:
                    self._client.set_terminated(run_id, "FINISHED")
                    continue
                for version in self._client.search_model_versions(f"run_id = '{run_id}'"):
                    self._client.delete_model_version(version.name, version.version)
                self._client.set_terminated(run_id, "KILLED")
            return len(left)

    def runs(self, experiments: Sequence[str]) -> list[Noted]:
        """The finished runs of the experiments, oldest first; an experiment that is not there has none.

        MLflow gives a thousand at once: of more, the newest.
        """
        with as_external_error(self._uri):
            known = {
                experiment.experiment_id: experiment.name
                for experiment in map(self._client.get_experiment_by_name, experiments)
                if experiment is not None
            }
            if not known:
                return []
            found = self._client.search_runs(
                list(known), "attributes.status = 'FINISHED'", order_by=["attributes.start_time DESC"]
            )
            return [_noted(run, known[run.info.experiment_id]) for run in reversed(found)]

    def document(self, run_id: str, name: str) -> str:
        """A text artifact of a run."""
        with as_external_error(self._uri), tempfile.TemporaryDirectory() as folder:
            return Path(self._client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")

    def mirror(self, deployment: Deployment) -> None:
        """Bring MLflow's aliases in line with the deployment record, which is the truth."""
        with as_external_error(self._uri):
            for alias in ("champion", "challenger", "previous"):
                number = getattr(deployment, alias)
                if number is not None:
                    self._client.set_registered_model_alias(deployment.model, alias, number)
                elif alias in self._client.get_registered_model(deployment.model).aliases:
                    self._client.delete_registered_model_alias(deployment.model, alias)

    def download_bundle(self, version: Version, folder: Path) -> None:
        """Fetch a version's bundle into the folder, which appears whole or not at all."""
        with as_external_error(self._uri), growing(folder.parent) as fresh:
            self._mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{version.model}/{version.version}", dst_path=str(fresh)
            )
            found = next(fresh.rglob("manifest.json"), None)
            if found is None:
                msg = f"{version.model} version {version.version} in MLflow holds no bundle."
                raise ExternalServiceError(msg)
            if not folder.exists():
                shutil.move(str(found.parent), folder)

    def sign_bundle(self, version: Version, signature: str) -> None:
        """Give the copy of a version's bundle that MLflow holds another signature."""
        with as_external_error(self._uri), tempfile.TemporaryDirectory() as folder:
            signed = Path(folder) / SIGNATURE
            signed.write_text(signature)
            source: str = self._client.get_model_version(version.model, str(version.version)).source
            logged = source.removeprefix("models:/")
            self._client.log_model_artifact(logged, str(signed), f"data/{version.bundle_sha256}")

    def reachable(self) -> str:
        """A line for ``doctor``: how many registered models the store knows."""
        with as_external_error(self._uri):
            return f"{len(self._client.search_registered_models())} registered models"

    def _experiment(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        location = None if self._folder is None else str(self._folder / "artifacts" / name)
        return str(self._client.create_experiment(name, artifact_location=location))

    @contextmanager
    def _started(self, run: Run) -> Iterator[str]:
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

    def _new_version(self, manifest: Manifest, logged: Any, run: Run, run_id: str) -> int:
        model = manifest.model
        if not self._client.search_registered_models(f"name = '{model}'"):
            about = {"sport": manifest.sport, "league": manifest.league, "variant": manifest.variant}
            self._client.create_registered_model(model, tags=about)
        made = self._client.create_model_version(
            model, logged.model_uri, run_id, tags=dict(run.tags), description=run.description, model_id=logged.model_id
        )
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


def _dataset_input(lineage: Lineage) -> Any:
    """MLflow's record of a dataset, with our SHA-256 as its digest: its own reads 10,000 rows and no dates."""
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


def _is_left_behind(run: Any, now: datetime) -> bool:
    """Whether the process that opened the run is gone: certain on its own machine, presumed after a day elsewhere."""
    gone = process_identity.is_gone(run.data.tags.get(PROCESS_TAG, ""))
    return now - _moment(run) > FORGOTTEN if gone is None else gone


def _moment(run: Any) -> datetime:
    return datetime.fromtimestamp(run.info.start_time / 1000, UTC)


def _noted(run: Any, experiment: str) -> Noted:
    return Noted(
        run_id=run.info.run_id,
        experiment=experiment,
        name=run.info.run_name,
        started_at=_moment(run),
        tags=dict(run.data.tags),
        parameters=dict(run.data.params),
        metrics=dict(run.data.metrics),
    )

"""What a training leaves in MLflow: where its data came from, what goes in and out of the model, what it rests on."""

import json
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.models import get_model_info
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, League, Leagues
from core.registry.bundles.store import BundleStore
from core.registry.deployment import Version
from core.registry.forecaster import FORECAST_COLUMNS
from core.registry.tracking.client import LONGEST_DIGEST, Tracking
from core.settings import load_settings
from core.signing import signer
from feature_store.archive import store as archive
from tests.conftest import NOW
from tests.generated import invented_facts
from training.fitting.recipe import RECIPES
from training.runs.run_record import CARD, FACT_COLUMNS
from training.runs.train import train
from training.runs.training_run import TrainingRun

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # MLflow, loading the input example, warns of its own use of pandas
]
LEAGUES = Leagues(BUILT_IN)
EPL, LALIGA = LEAGUES.get("EPL"), LEAGUES.get("LALIGA")
RESULTS = replace(RECIPES["results"], rounds=5)


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SIGNING_KEY", "a key for these tests alone")
    return f"sqlite:///{tmp_path}/mlflow/mlflow.db"


def trained(engine: Engine, uri: str, folder: Path, league: League, games: int) -> Version:
    facts = invented_facts(7, games=games, quirks=False)
    archive.record(engine, league, facts, source="test", recorded_at=NOW)
    store = BundleStore(folder / "bundles", uri, signer(load_settings(), "bundle"))
    return train(engine, TrainingRun(league, RESULTS, store, NOW, NOW))


def test_the_run_names_its_data_and_the_model_its_columns_with_an_example(
    sqlite_database: Engine, tmp_path: Path, uri: str
) -> None:
    version = trained(sqlite_database, uri, tmp_path, EPL, 300)
    client = MlflowClient(uri, uri)
    run = client.get_run(version.run_id)
    (lineage,) = run.inputs.dataset_inputs
    assert [(tag.key, tag.value) for tag in lineage.tags] == [("mlflow.data.context", "training")]
    assert lineage.dataset.digest == version.snapshot_sha256[:LONGEST_DIGEST]
    source, profile = json.loads(lineage.dataset.source), json.loads(lineage.dataset.profile)
    assert (source["league"], source["known_by"]) == ("EPL", NOW.isoformat())
    assert source["sha256"] == profile["sha256"] == run.data.tags["snapshot_sha256"] == version.snapshot_sha256
    assert profile["games"] == int(run.data.tags["games"])
    columns = json.loads(lineage.dataset.schema)["mlflow_colspec"]
    assert {column["name"]: column["type"] for column in columns} == FACT_COLUMNS

    address = f"models:/{version.model}/{version.version}"
    model = get_model_info(address)
    names = RESULTS.features.of(EPL.sport).names
    assert tuple(model.signature.inputs.input_names()) == names
    assert tuple(model.signature.outputs.input_names()) == FORECAST_COLUMNS
    loaded = mlflow.pyfunc.load_model(address)
    example = loaded.input_example
    assert tuple(example.columns) == names
    forecasts = loaded.predict(example)
    assert forecasts[["p_home", "p_draw", "p_away"]].sum(axis=1).tolist() == pytest.approx([1.0])
    assert client.get_model_version(version.model, str(version.version)).run_id == version.run_id


def test_what_a_model_rests_on_stands_in_run_and_card(sqlite_database: Engine, tmp_path: Path, uri: str) -> None:
    for league, games, basis, made_of in (
        (EPL, 300, "own", "a blend of linear models and LightGBM trees"),
        (LALIGA, 60, "elo", "those of Elo ratings with standard parameters"),
    ):
        version = trained(sqlite_database, uri, tmp_path, league, games)
        assert MlflowClient(uri, uri).get_run(version.run_id).data.tags["basis"] == version.scores["basis"] == basis
        page = Tracking(uri).document(version.run_id, CARD)
        assert f'<dt>Rests on</dt><dd class="">{basis}: {version.scores["rests_on"][:20]}' in page
        assert made_of in page
        assert ("LightGBM trees" in page) == (basis == "own")

"""The gate on the real registry: planted models trained, registered, judged, promoted and rolled back."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.database.transactions import writing
from core.errors import ConflictError, SecurityError
from core.registry import deployment
from core.registry import tables as registry_tables
from core.registry.bundles.files import MANIFEST, SPEC
from core.registry.bundles.store import BundleStore
from core.registry.tracking.client import Tracking
from core.signing import Signer
from feature_store.archive import store as archive
from feature_store.features.sets import EVERYTHING, feature_set
from feature_store.sources.library.sample import sample_batches
from migrations import schema
from tests.core.bundles import forged, remanifested
from tests.databases import mlflow_store
from training.datasets.assembly import Dataset, DatasetLoader, load_dataset
from training.fitting.recipe import RECIPES, Recipe
from training.promotion.promote import promote, roll_back
from training.runs.train import train
from training.runs.training_run import TrainingRun

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # MLflow, loading the input example, warns of its own use of pandas
]
LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")
NOW = datetime(2024, 7, 1, tzinfo=UTC)
KNOWN_BY = datetime(2024, 6, 1, tzinfo=UTC)
MODEL = "EPL-prices"
GOOD = replace(RECIPES["prices"], rounds=5)
POOR = replace(
    GOOD, features=feature_set("prices", ("home_rest", "away_rest", "season_games")), anchor=("home_rest", "away_rest")
)
"""Knows how rested the sides are and nothing else."""


class Installation:
    def __init__(self, folder: Path) -> None:
        self.engine: Engine = open_database(make_url(f"sqlite:///{folder}/ours.db"))
        schema.upgrade(self.engine)
        self.store = BundleStore(folder / "bundles", mlflow_store(folder / "mlflow"), Signer(b"tests", "bundle"))
        archive.record(self.engine, EPL, sample_batches(LEAGUES)[EPL], source="sample", recorded_at=NOW)

    def train(self, recipe: Recipe, known_by: datetime = KNOWN_BY, load: DatasetLoader = load_dataset) -> int:
        return train(self.engine, TrainingRun(EPL, recipe, self.store, known_by, NOW), load=load).version

    def promote(self, number: int | None = None) -> tuple[bool, list[str], deployment.Deployment]:
        verdict, record, _ = promote(self.engine, LEAGUES, self.store, MODEL, number, NOW)
        return verdict.passed, [check.name for check in verdict.checks if not check.passed], record

    def change_the_key(self) -> None:
        self.store = replace(self.store, signer=Signer(b"another key", "bundle"))

    @property
    def aliases(self) -> dict[str, int]:
        model = Tracking(self.store.tracking_uri)._client.get_registered_model(MODEL)
        return {alias: int(number) for alias, number in model.aliases.items()}


def test_a_planted_worse_model_is_refused_and_a_planted_better_one_takes_over_and_can_be_sent_back(
    tmp_path: Path,
) -> None:
    installation = Installation(tmp_path)
    good = installation.train(GOOD)
    passed, failed, record = installation.promote()
    assert (passed, failed, record.champion) == (True, [], good)

    poor = installation.train(POOR, datetime(2024, 6, 2, tzinfo=UTC))
    before = deployment.deployment(installation.engine, MODEL)
    passed, failed, record = installation.promote()
    assert not passed
    assert f"not worse than version {good}" in failed
    assert record == before == deployment.deployment(installation.engine, MODEL)
    assert installation.aliases == {"champion": good, "challenger": poor}

    forced = deployment.install_champion(installation.engine, record, poor, NOW)
    assert forced.champion == poor
    passed, failed, record = installation.promote(good)
    assert (passed, failed, record.champion, record.previous) == (True, [], good, poor)
    assert installation.aliases == {"champion": good, "previous": poor}
    with pytest.raises(ConflictError, match="champion already"):
        installation.promote(good)
    assert roll_back(installation.engine, installation.store.tracking_uri, MODEL, NOW)[0].champion == poor
    assert installation.aliases == {"champion": poor}


def test_a_bundle_of_other_features_than_the_codes_is_refused(tmp_path: Path) -> None:
    """Made by a build whose features had other rules: its fingerprint is not the one of this code."""
    installation = Installation(tmp_path)
    made = deployment.version(installation.engine, MODEL, installation.train(POOR))
    folder = installation.store.folder / made.bundle_sha256
    manifest = json.loads((folder / MANIFEST).read_bytes()) | {"fingerprint": "f" * 64}
    sha256 = remanifested(folder, manifest, installation.store.signer)
    folder.rename(installation.store.folder / sha256)
    with writing(installation.engine) as connection:
        connection.execute(sa.update(registry_tables.versions).values(bundle_sha256=sha256))
    passed, failed, record = installation.promote()
    assert (passed, failed, record.champion) == (False, ["same features"], None)


def test_after_a_change_of_the_key_a_training_signs_the_same_bundle_again_here_and_in_mlflow(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    number = installation.train(GOOD)
    installation.change_the_key()
    version = deployment.version(installation.engine, MODEL, number)
    with pytest.raises(SecurityError, match="does not bear our signature"):
        installation.promote()
    assert installation.train(GOOD) == number
    assert installation.store.open_version(version).sha256 == version.bundle_sha256
    shutil.rmtree(installation.store.folder)
    assert installation.store.open_version(version).sha256 == version.bundle_sha256, "as MLflow delivers it"
    passed, failed, record = installation.promote()
    assert (passed, failed, record.champion) == (True, [], number)


def test_a_champion_whose_bundle_cannot_be_had_is_compared_by_its_registered_losses(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    poor = installation.train(POOR)
    deployment.install_champion(installation.engine, deployment.deployment(installation.engine, MODEL), poor, NOW)
    installation.change_the_key()
    good = installation.train(GOOD)
    verdict, record, _ = promote(installation.engine, LEAGUES, installation.store, MODEL, None, NOW)
    (beside,) = [check for check in verdict.checks if check.name == f"not worse than version {poor}"]
    assert "its bundle is unavailable, so only the losses it was registered with count: manifest" in beside.numbers
    assert (verdict.passed, record.champion) == (True, good)


def test_the_same_facts_give_one_bundle_whenever_and_wherever_they_are_trained_on(tmp_path: Path) -> None:
    made = set()
    for number, moment in enumerate((KNOWN_BY, datetime(2024, 6, 1, 0, 1, tzinfo=UTC), NOW)):
        (tmp_path / str(number)).mkdir()
        installation = Installation(tmp_path / str(number))
        made.add(deployment.version(installation.engine, MODEL, installation.train(GOOD, moment)).bundle_sha256)
    assert len(made) == 1


def test_another_recipe_on_the_same_facts_is_no_later_however_late_it_is_trained(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.train(GOOD)
    installation.promote()
    installation.train(replace(GOOD, seed=1), NOW)
    verdict, _, _ = promote(installation.engine, LEAGUES, installation.store, MODEL, None, NOW)
    (beside,) = [check for check in verdict.checks if check.name.startswith("not worse")]
    assert not beside.passed, "its trees sample nothing, so another seed is the same model"
    assert "without later results it must be better" in beside.numbers


def test_a_model_that_learnt_from_leaking_rows_is_refused_however_good_it_looks(tmp_path: Path) -> None:
    """The leak is in training alone, as where somebody's script prepares the rows; those of serving are honest."""
    installation = Installation(tmp_path)
    place = EVERYTHING.names.index("rating_gap")

    def leaking(*given: Any) -> Dataset:
        dataset = load_dataset(*given)
        values = dataset.values.copy()
        values[:, place] += 40 * np.sign(dataset.margins)
        return replace(dataset, values=values)

    installation.train(GOOD, load=leaking)
    passed, failed, record = installation.promote()
    assert (passed, failed, record.champion) == (False, ["blind to the future"], None)


def test_what_was_forged_in_our_tables_and_on_the_disk_is_never_signed(tmp_path: Path) -> None:
    """Who can write both, but does not know the key, has a bundle of theirs registered as ours."""
    installation = Installation(tmp_path)
    number = installation.train(GOOD)
    honest = deployment.version(installation.engine, MODEL, number)
    forgery = tmp_path / "forgery"
    shutil.copytree(installation.store.folder / honest.bundle_sha256, forgery)
    spec = json.loads((forgery / SPEC).read_bytes())
    spec["calibration"] = {**spec["calibration"], "forged": True}
    sha256 = forged(forgery, SPEC, json.dumps(spec).encode(), Signer(b"not ours", "bundle"))
    forgery.rename(installation.store.folder / sha256)
    table = registry_tables.versions
    with writing(installation.engine) as connection:
        connection.execute(sa.update(table).values(bundle_sha256=sha256))
    again = deployment.version(installation.engine, MODEL, installation.train(GOOD))
    assert (again.version, again.bundle_sha256) == (number + 1, honest.bundle_sha256), "made anew, from the data"
    with pytest.raises(SecurityError, match="does not bear our signature"):
        installation.store.open_version(deployment.version(installation.engine, MODEL, number))

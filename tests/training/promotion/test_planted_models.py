"""Planted models through the whole path: trained, registered and judged by ``promote`` on a league with a true order.

The worse one learns from rows that were shuffled among the games, so it knows how often sides win and nothing of which
side plays; as a refresh it has the champion's recipe and features, and later data.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.registry import deployment
from core.registry.bundles.store import BundleStore
from core.signing import Signer
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact, Result
from migrations import schema
from tests.databases import mlflow_store
from training.datasets.assembly import Dataset, DatasetLoader, load_dataset
from training.fitting.recipe import RECIPES
from training.promotion.promote import promote
from training.runs.train import train
from training.runs.training_run import TrainingRun

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # MLflow, loading the input example, warns of its own use of pandas
]
LEAGUES = Leagues(BUILT_IN)
NFL = LEAGUES.get("NFL")
TEAMS, SEASONS, ROUNDS = 12, 6, 15
BEST = 7.0
"""Points by which the strongest side is better than the mean, and the weakest worse."""
KNOWN_BY = datetime(2023, 11, 20, tzinfo=UTC)
LATER = KNOWN_BY + timedelta(days=30)
QUICK = replace(RECIPES["results"], rounds=5)


def ordered_league(seed: int) -> FactBatch:
    """Six seasons of twelve sides, each a steady distance better than the next."""
    random = np.random.default_rng(seed)
    strengths = np.linspace(BEST, -BEST, TEAMS)
    batch = FactBatch()
    for season in range(2024 - SEASONS, 2024):
        for round_ in range(ROUNDS):
            start = datetime(season, 9, 1, 18, tzinfo=UTC) + timedelta(days=7 * round_)
            order = random.permutation(TEAMS).tolist()
            for home, away in zip(order[::2], order[1::2], strict=True):
                key = f"{season}-{round_}-{home}"
                margin = round(strengths[home] - strengths[away] + random.normal(2, 12)) or 1
                teams = f"T{home}", f"T{away}"
                announced = start - timedelta(days=14)
                batch.games.append(GameFact(key, announced, season, start, False, *teams, False, False, "final"))
                ended = start + timedelta(hours=4)
                batch.results.append(Result(key, ended, ended, 24 + max(margin, 0), 24 + max(-margin, 0)))
    return batch


class Installation:
    def __init__(self, folder: Path, seed: int) -> None:
        self.engine: Engine = open_database(make_url(f"sqlite:///{folder}/ours.db"))
        schema.upgrade(self.engine)
        self.store = BundleStore(folder / "bundles", mlflow_store(folder / "mlflow"), Signer(b"tests", "bundle"))
        archive.record(self.engine, NFL, ordered_league(seed), source="test", recorded_at=KNOWN_BY)

    def train(self, known_by: datetime, rounds: int = QUICK.rounds, load: DatasetLoader = load_dataset) -> int:
        run = TrainingRun(NFL, replace(QUICK, rounds=rounds), self.store, known_by, LATER)
        return train(self.engine, run, load=load).version

    def promote(self) -> tuple[list[str], deployment.Deployment]:
        verdict, record, _ = promote(self.engine, LEAGUES, self.store, "NFL-results", None, LATER)
        return [check.name for check in verdict.checks if not check.passed], record


def shuffled(*given: Any) -> Dataset:
    dataset = load_dataset(*given)
    return replace(dataset, values=np.random.default_rng(5).permutation(dataset.values, axis=0))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_worse_refresh_and_a_worse_rival_are_refused_and_a_better_rival_takes_over(seed: int, tmp_path: Path) -> None:
    installation = Installation(tmp_path, seed)
    good = installation.train(KNOWN_BY)
    assert installation.promote()[1].champion == good
    installation.train(LATER, load=shuffled)
    failed, record = installation.promote()
    assert f"not worse than version {good}" in failed
    assert record.champion == good
    worse = installation.train(LATER, rounds=6, load=shuffled)
    failed, record = installation.promote()
    assert f"not worse than version {good}" in failed
    assert record.champion == good
    deployment.install_champion(installation.engine, record, worse, LATER)
    better = installation.train(LATER, rounds=7)
    failed, record = installation.promote()
    assert (failed, record.champion) == ([], better)

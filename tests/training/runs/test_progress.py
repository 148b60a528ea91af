"""A training of minutes says what it is at: a step per trial and per season, and nothing where JSON is asked for."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.engine import make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from feature_store.archive import store as archive
from feature_store.quality.checks import examine_facts
from flows.cli.output import Output
from migrations import schema
from tests.conftest import NOW
from tests.databases import mlflow_store
from tests.generated import invented_facts
from training.datasets.assembly import dataset_of
from training.fitting.recipe import RECIPES
from training.runs.trained_model import fit_and_evaluate

NFL = Leagues(BUILT_IN).get("NFL")


def test_every_trial_and_every_season_is_a_step() -> None:
    made = dataset_of(NFL, invented_facts(3, games=1_280, quirks=False))
    dataset = replace(made, seasons=2010 + np.arange(len(made)) * 8 // len(made))
    heard: list[tuple[str, int, int]] = []
    recipe = replace(RECIPES["results"], tune=2, proving_seasons=2, rounds=3)
    fit_and_evaluate(recipe, dataset, on_progress=lambda *step: heard.append(step))
    assert heard == [
        *(("seeking parameters", done, 2) for done in range(3)),
        ("forecasting 2016", 0, 3),
        ("forecasting 2017", 1, 3),
        ("learning from every game", 2, 3),
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow, loading the input example, warns of its own use of pandas
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("command", ["train", "experiment"])
def test_commands_show_the_steps_on_a_terminal_and_nothing_in_json(
    command: str,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/ours.db"
    engine = open_database(make_url(url))
    schema.upgrade(engine)
    facts = invented_facts(3, games=300, quirks=False)
    archive.record(engine, NFL, facts, source="test", recorded_at=NOW)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_store(tmp_path))
    monkeypatch.setenv("BUNDLE_DIR", str(tmp_path / "bundles"))
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # which the bar replaces for as long as it is shown
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run_command(command, [flag.name for flag in examine_facts(NFL, facts)], as_json=as_json)
    printed = capsys.readouterr()
    steps = re.sub(r"\x1b\[[0-9;?]*\w", "", printed.err)
    assert ("learning from every game" in steps) is not as_json
    assert bool(printed.out) and json.loads(printed.out) if as_json else printed.out


def run_command(command: str, accept: list[str], *, as_json: bool) -> None:
    from flows.cli.commands.experiment import experiment
    from flows.cli.commands.train import train

    if command == "train":
        train("NFL", accept=accept, json=as_json)
    else:
        experiment(SubcommandFree(), "NFL", accept=accept, json=as_json)  # type: ignore[arg-type]


class SubcommandFree:
    """The context of a command that was called without a subcommand."""

    invoked_subcommand = None


def test_without_a_terminal_no_bar_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).working("forecasting 2016", 1, 3)
    assert capsys.readouterr().err == ""

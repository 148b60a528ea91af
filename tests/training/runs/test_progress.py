"""A training of minutes says what it is at: a step per trial and per season, and nothing where JSON is asked for."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy.engine import make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database import open_database
from flows.cli.output import Output
from migrations import schema
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


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("command", ["train", "experiment"])
def test_commands_show_the_steps_on_a_terminal_and_nothing_in_json(
    command: str,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Any,
) -> None:
    class HeardError(Exception):
        """Enough was heard."""

    def working(*_: object, on_progress: Callable[[str, int, int], None], **_more: object) -> None:
        on_progress("forecasting 2016", 1, 3)
        raise HeardError

    url = f"sqlite:///{tmp_path}/ours.db"
    monkeypatch.setenv("DATABASE_URL", url)
    schema.upgrade(open_database(make_url(url)))
    monkeypatch.setattr("training.runs.train.train", working)
    monkeypatch.setattr("training.runs.experiment.experiment", working)
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # which the bar replaces for as long as it is shown
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(HeardError):
        asked(command, as_json=as_json)
    shown = capsys.readouterr()
    assert shown.out == ""
    steps = re.sub(r"\x1b\[[0-9;?]*\w", "", shown.err)
    assert ("1/3 forecasting 2016 ..." in steps) is not as_json


def asked(command: str, *, as_json: bool) -> None:
    from flows.cli.commands.experiment import experiment
    from flows.cli.commands.train import train

    if command == "train":
        train("NFL", json=as_json)
    else:
        experiment(SubcommandFree(), "NFL", json=as_json)  # type: ignore[arg-type]


class SubcommandFree:
    """The context of a command that was called without a subcommand."""

    invoked_subcommand = None


def test_without_a_terminal_no_bar_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).working("forecasting 2016", 1, 3)
    assert capsys.readouterr().err == ""

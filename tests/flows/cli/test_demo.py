"""The demo ends in an honest answer without a warning, and a second run finds everything done."""

import json
from collections.abc import Callable

from tests.flows.conftest import Project


def test_the_demo_forecasts_a_real_game_and_a_second_run_changes_nothing(new_project: Callable[..., Project]) -> None:
    project = new_project(spawned=True)
    ended = project.start("demo", "--exit", "--port", "0", "--json")
    assert ended.stderr == "", "a fresh demo has nothing to warn of"
    first = json.loads(ended.stdout)
    probabilities = first["probabilities"]
    assert abs(sum(probabilities[side] for side in ("home", "draw", "away")) - 1) < 1e-9
    assert first["game"]["home_team"] == "Arsenal"
    assert first["model"]["name"] == "EPL-prices"
    second = json.loads(project.run("demo", "--exit", "--port", "0", "--json"))
    assert second["probabilities"] == probabilities
    assert second["model"] == first["model"]

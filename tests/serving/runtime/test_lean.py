"""An answer from a local bundle imports none of the heavy libraries.

The bundle here has no trees: LightGBM imports pandas, pyarrow and scikit-learn where they are installed, as they are
for the tests. ``make bench ARGS=lean`` does the same with trees in an environment without them.
"""

import json
import subprocess
import sys

import pytest

from tests.serving.conftest import World

pytestmark = pytest.mark.server

GAME = "/v1/predictions/soccer/EPL/EPL-102"


def test_an_answer_imports_neither_prefect_nor_mlflow_nor_libraries_of_training(world: World) -> None:
    address = world.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.serving.lean", address, str(world.store), GAME]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["status"] == 200
    assert sum(value for value in report["probabilities"].values() if value) > 0.999
    assert report["heavy"] == []

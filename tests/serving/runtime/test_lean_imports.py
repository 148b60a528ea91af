"""Libraries are imported without their companions, which can still be imported later."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.server

SCRIPT = """
import sys
from serving.runtime.lean_imports import COMPANIONS, import_without_companions
import_without_companions()
assert "lightgbm" in sys.modules
assert not set(COMPANIONS) & sys.modules.keys(), "companions were imported"
import numpy, lightgbm
table = numpy.arange(200.0).reshape(100, 2)
options = {"objective": "binary", "verbose": -1, "num_threads": 1}
model = lightgbm.train(options, lightgbm.Dataset(table, numpy.arange(100) % 2), 2)
assert model.predict(table).shape == (100,)
import pandas
assert len(pandas.DataFrame(table)) == 100
import_without_companions()
assert sys.modules["pandas"] is pandas
"""


def test_libraries_work_without_companions_which_can_be_imported_later() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr

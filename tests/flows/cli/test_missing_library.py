"""A library that is missing is named with the command that installs it; other errors keep their traceback."""

import subprocess
import sys

import pytest

from flows.cli.missing_library import missing_library


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError("libgomp.so.1: cannot open shared object file: No such file or directory"),
            "apt-get install libgomp1",
        ),
        (ModuleNotFoundError("No module named 'mlflow.pyfunc'", name="mlflow.pyfunc"), "mlflow is not installed"),
        (ModuleNotFoundError("No module named 'optuna'", name="optuna"), "'dbsbm-predictions[all]'"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(error: ImportError | OSError, said: str) -> None:
    assert said in (missing_library(error) or "")


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file"), ImportError("cannot import name 'x'")])
def test_other_errors_are_not_explained(error: ImportError | OSError) -> None:
    assert missing_library(error) is None


@pytest.mark.server
def test_a_command_without_its_library_exits_3() -> None:
    hidden = "import sys; sys.modules['sportsbet'] = sys.modules['matplotlib'] = sys.modules['lightgbm'] = None"
    script = f"{hidden}; sys.argv = ['dbsbm', 'demo', '--exit', '--port', '0']; from flows.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("\n") == 1
    assert "is not installed" in done.stderr

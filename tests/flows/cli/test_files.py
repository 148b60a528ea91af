"""A file that cannot be written is refused before the work, by every command that writes one."""

import errno
from pathlib import Path

import pytest

from core.errors import ValidationError
from flows.cli.files import must_be_writable, writing
from tests.flows.conftest import Project

COMMANDS = {
    "backtest": ("backtest", "--league", "EPL", "--seasons", "2024"),
    "forecast": ("forecast", "--league", "EPL"),
    "card": ("models", "card", "EPL-results"),
    "rows": ("features", "rows", "--league", "EPL"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_folder_is_reported_before_the_work(command: str, project: Project) -> None:
    """The project has not even a database, which the work would begin with."""
    said = project.run(*COMMANDS[command], "--output", "missing/folder/f.csv", expect=2)
    assert "--output: missing/folder/f.csv cannot be written: there is no folder missing/folder" in said
    assert "Traceback" not in said


def test_a_folder_is_no_file_and_a_new_or_old_file_is_fine(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="it is a folder"):
        must_be_writable(tmp_path)
    must_be_writable(tmp_path / "new.csv")
    (tmp_path / "old.csv").touch()
    must_be_writable(tmp_path / "old.csv")


def test_an_error_while_writing_is_reported_as_a_usage_error() -> None:
    with (
        pytest.raises(ValidationError, match="cannot be written: no space left on device"),
        writing(Path("f.csv")),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")

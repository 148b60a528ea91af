"""A command that changes much asks on a terminal, and takes no for an answer."""

from collections.abc import Callable

import pytest

from tests.flows.conftest import Project
from tests.terminal import on_terminal


@pytest.mark.server
@pytest.mark.parametrize(("typed", "shown"), [("n", "nothing changed"), ("y", "rows restored")])
def test_a_restore_asks_on_a_terminal(typed: str, shown: str, new_project: Callable[..., Project]) -> None:
    project = new_project()
    project.run("db", "upgrade")
    project.run("db", "backup", "all.gz")
    restore = [*project.command, "db", "restore", "all.gz", "--replace"]
    with on_terminal(restore, project.folder, project.environment) as terminal:
        terminal.answer("Restore it?", typed)
        assert terminal.wait() == 0
    assert shown in terminal.shown

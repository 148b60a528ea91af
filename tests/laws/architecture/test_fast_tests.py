"""A test that `make test-fast` runs starts no server and no command: the attempt fails, whichever way it is made."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import STARTING
from tests.forked import run_module
from tests.processes import UnmarkedProcessError, refused_to
from tests.services import redis_server

HAS_REDIS = shutil.which("redis-server", path=f"{os.environ['PATH']}:/usr/sbin") is not None
"""`make test-fast` runs on a machine without it."""


def start_redis() -> None:
    with redis_server():
        pass


@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.run([sys.executable, "-c", ""], check=False),
        lambda: run_module("flows.cli", "--help"),
        lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {}),
        pytest.param(start_redis, marks=pytest.mark.skipif(not HAS_REDIS, reason="`make test` installs Redis")),
    ],
)
def test_a_test_without_the_marker_starts_no_process(start: Callable[[], object]) -> None:
    with pytest.raises(UnmarkedProcessError, match="test_a_test_without_the_marker_starts_no_process"):
        start()


@pytest.mark.server
def test_a_test_with_the_marker_starts_what_it_likes_until_it_is_refused() -> None:
    command = [sys.executable, "-c", "pass"]
    assert subprocess.run(command, check=False).returncode == 0
    with refused_to("somebody"), pytest.raises(UnmarkedProcessError, match="somebody"):
        subprocess.run(command, check=False)


def test_who_asks_for_a_fixture_that_starts_a_process_is_marked(request: pytest.FixtureRequest) -> None:
    unmarked = [
        item.nodeid
        for item in request.session.items
        if STARTING.intersection(getattr(item, "fixturenames", ())) and item.get_closest_marker("server") is None
    ]
    assert unmarked == []

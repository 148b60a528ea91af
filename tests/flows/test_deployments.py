"""Prefect for real: a flow without a server, and schedules that fire on one."""

import sys
import time
from collections.abc import Callable
from datetime import timedelta

import httpx

from core.settings import load_settings
from flows.deployments import FLOWS, schedules
from tests.flows.conftest import Project, running
from tests.services import free_port


def test_every_flow_has_a_schedule() -> None:
    assert (
        set(schedules(load_settings()))
        == set(FLOWS)
        == {
            *("snapshot", "grade", "build-features", "train", "score-upcoming"),
        }
    )


def test_what_the_collector_does_too_is_scheduled_at_a_slow_pace() -> None:
    """Three flows a minute would cost a quarter of a core for ever."""
    planned = schedules(load_settings(_env_file=None))
    intervals = {name: schedule.interval for name, schedule in planned.items() if schedule.interval is not None}
    assert intervals == {
        **dict.fromkeys(("snapshot", "build-features", "score-upcoming"), timedelta(minutes=15)),
        "grade": timedelta(hours=1),
    }


def test_a_flow_runs_with_no_prefect_server(new_project: Callable[..., Project]) -> None:
    project = new_project()
    project.run("db", "upgrade")
    assert project.json("flows", "run", "build-features") == {}


def wait_for(what: str, found: Callable[[], bool], seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"no {what} within {seconds:.0f} s"
        time.sleep(0.5)


def test_schedules_fire_on_a_prefect_server(new_project: Callable[..., Project]) -> None:
    """An unlucky pair of versions stops the scheduler without a word (docs/decisions/0002): see a run come and end."""
    project = new_project(FLOWS_SECONDS="15")
    project.run("db", "upgrade")
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    server = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]

    def answers() -> bool:
        try:
            return httpx.get(f"{api}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def runs(*states: str) -> bool:
        asked = {
            "flows": {"name": {"any_": ["build-features"]}},
            "flow_runs": {"state": {"type": {"any_": list(states)}}},
        }
        return bool(httpx.post(f"{api}/flow_runs/filter", json=asked, timeout=10).json())

    with running(server, project, "server.log"):
        wait_for("Prefect server", answers)
        with running([*project.command, "flows", "serve"], project, "serve.log", PREFECT_API_URL=api):
            wait_for("scheduled run", lambda: runs("SCHEDULED"))
            wait_for("completed run", lambda: runs("COMPLETED"))

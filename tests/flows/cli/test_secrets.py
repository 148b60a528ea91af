"""No command shows a secret, whatever fails and whichever library describes it; and none dies of one part."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.flows.conftest import ROOT, Project
from tests.services import MariaDb, RedisServer, free_port

PASSWORD = "canary#1/2?3@4%5"
QUOTED = quote(PASSWORD, safe="")
SPELT = re.compile(r"canary|1(?:/|%2f)2(?:\?|%3f)3|2(?:\?|%3f)3(?:@|%40)4", re.IGNORECASE)
"""The password, or the middle of it, in any spelling."""

OTHER_SECRETS = {
    "API_KEY": "canaryid.canary-api-key",
    "SIGNING_KEY": "canary-signing-key",
    "MLFLOW_TRACKING_TOKEN": "canary-token",
    "LOG_LEVEL": "DEBUG",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "2",
}

COMMANDS = (
    ("doctor", "--json"),
    ("db", "upgrade"),
    ("snapshot",),
    ("train", "--league", "EPL"),
    ("experiment", "compare", "--league", "EPL"),
    ("predict", "Arsenal", "Everton", "--league", "EPL"),
    ("keys", "list"),
    ("serve", "--port", "70000"),
)


def failing(server: str, port: int, redis_port: int) -> dict[str, str]:
    """Settings whose every part fails at that port."""
    return {
        "DATABASE_URL": f"mysql+pymysql://someone:{QUOTED}@{server}:{port}/ours?ssl_key_password=canary-key",
        "BOT_DATABASE_URL": f"mysql+pymysql://{server}:{port}/ours?user=someone&password={QUOTED}",
        "REDIS_URL": f"redis://someone:{QUOTED}@{server}:{redis_port}/0",
        "MLFLOW_TRACKING_URI": f"http://someone:{QUOTED}@{server}:{port}",
        "SERVICE_URL": f"http://someone:{QUOTED}@{server}:{port}",
        **OTHER_SECRETS,
    }


@pytest.fixture(scope="module", params=["nothing listens", "another server answers"])
def world(request: pytest.FixtureRequest, mariadb: MariaDb, redis_process: RedisServer) -> Iterator[dict[str, str]]:
    """A port where nothing listens, or MariaDB, which refuses the password and does not speak HTTP."""
    if request.param == "nothing listens":
        yield failing("127.0.0.1", free_port(), free_port())
    else:
        yield failing("127.0.0.1", mariadb.port, redis_process.port)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_shows_a_secret(
    command: tuple[str, ...], world: dict[str, str], new_project: Callable[..., Project]
) -> None:
    shown = new_project(**world).run(*command, expect=2 if "70000" in command else 3)
    assert shown
    assert not SPELT.search(shown), shown


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "BOT_DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "SERVICE_URL"]
)
def test_an_unquoted_password_is_refused_in_one_line(name: str, new_project: Callable[..., Project]) -> None:
    scheme = {"REDIS_URL": "redis", "MLFLOW_TRACKING_URI": "http", "SERVICE_URL": "http"}.get(name, "mysql+pymysql")
    shown = new_project(**{name: f"{scheme}://someone:{PASSWORD}@host/ours"}).run("db", "upgrade", expect=2)
    (line,) = shown.splitlines()
    assert line.startswith(f"CONFIG_ERROR: {name}: expected an address such as ")
    assert "%23 %2F %3F %40 %25" in line
    assert not SPELT.search(line), line


@pytest.mark.server
def test_a_traceback_and_a_librarys_print_are_masked_as_well(tmp_path: Path) -> None:
    (tmp_path / "careless.py").write_text(
        "import logging, sys, threading, warnings\n"
        "from core.text.clean_streams import clean_standard_streams\n"
        "from core.settings import load_settings\n"
        "clean_standard_streams()\n"
        "secret = load_settings().database.password\n"
        "print(secret, {'password': secret}, secret.encode())\n"
        "warnings.warn(secret)\n"
        "logging.getLogger('library').warning('cannot use %r', secret)\n"
        "thread = threading.Thread(target=lambda: int(secret)); thread.start(); thread.join()\n"
        "raise ValueError(f'mysql://u:{secret}@h \\x1b[2J')\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": f"mysql+pymysql://u:{QUOTED}@h/d",
    }
    ended = subprocess.run(
        [sys.executable, "careless.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    shown = ended.stdout + ended.stderr
    assert shown.count("***") >= 6
    assert "Traceback" in shown
    assert "\x1b" not in shown
    assert not SPELT.search(shown), shown

"""The nginx configuration of deploy/ with the real nginx and two real instances: one dies, nobody notices."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.services import free_port
from tests.serving.conftest import World, filled_world

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
GAME = "/v1/predictions/soccer/EPL/EPL-102"
NO_CHAMPION = "/v1/matchups/american_football/NFL?home=Bears&away=Packers"
"""A question that a healthy service answers with 503, because nobody trained a model for that league."""

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed; `make test` installs it")


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with filled_world(tmp_path_factory.mktemp("nginx")) as world:
        yield world


def start_instance(
    world: World, port: int, folder: Path, *, readiness: int = 200, **overrides: str
) -> "subprocess.Popen[bytes]":
    """A whole service in a process of its own, once it says that it is ready, or that it is not."""
    environment = {
        **os.environ,
        "DATABASE_URL": world.engine.url.render_as_string(hide_password=False),
        "BUNDLE_DIR": str(world.store),
        "TRUSTED_PROXIES": "127.0.0.1",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "DBSBM_ENV": "development",
        **overrides,
    }
    command = [sys.executable, "-m", "flows.cli", "serve", "--port", str(port), "--as-of", "2024-05-01T12:00"]
    with (folder / f"{port}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment, stdout=log, stderr=log)
    wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == readiness, process)
    return process


def wait_for(check: Callable[[], bool], process: "subprocess.Popen[bytes]", seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            if check():
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, "ended before it was ready"
        assert time.monotonic() < until, "was not ready in time"
        time.sleep(0.1)


@contextmanager
def stopped_in_the_end(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def nginx(folder: Path, ports: tuple[int, int]) -> Iterator[str]:
    """The real program with the configuration as it stands in deploy/, but for its ports."""
    port = free_port()
    text = CONFIGURATION.read_text(encoding="utf-8")
    for name, ours in {"127.0.0.1:8001": ports[0], "127.0.0.1:8002": ports[1]}.items():
        assert text.count(f"server {name}") == 1
        text = text.replace(f"server {name}", f"server 127.0.0.1:{ours}")
    text, changed = re.subn(r"listen 8080;", f"listen 127.0.0.1:{port};", text)
    assert changed == 1
    # The guard per address would count this test's one address.
    text = text.replace("rate=200r/s", "rate=100000r/s")
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"daemon off; pid {folder}/pid; events {{}} http {{ access_log off; error_log {folder}/errors; {places} {text} }}"
    (folder / "nginx.conf").write_text(whole)
    command = [str(NGINX), "-e", f"{folder}/errors", "-p", str(folder), "-c", f"{folder}/nginx.conf"]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with stopped_in_the_end(subprocess.Popen(command)) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: httpx.get(f"{url}/healthz").status_code == 200, process)
        yield url


class Asking:
    """Clients that ask on and on, and write down every answer that is not a good one."""

    def __init__(self, url: str, clients: int = 4) -> None:
        self._stop = threading.Event()
        self._url = url
        self.asked = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=10) as client:
            while not self._stop.is_set():
                try:
                    answer = client.get(GAME)
                    if answer.status_code != 200:
                        self.failures.append(f"{answer.status_code} {answer.text[:200]}")
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                self.asked += 1

    def wait_for_more(self, answers: int) -> None:
        until = self.asked + answers
        while self.asked < until:
            time.sleep(0.01)


def test_two_instances_behind_nginx_die_and_are_replaced_and_no_reader_notices(behind: World, tmp_path: Path) -> None:
    ports = free_port(), free_port()
    with ExitStack() as stack:
        first, second = (stack.enter_context(stopped_in_the_end(start_instance(behind, p, tmp_path))) for p in ports)
        url = stack.enter_context(nginx(tmp_path, ports))
        with Asking(url) as asking:
            asking.wait_for_more(100)
            first.kill()
            asking.wait_for_more(300)
            first = stack.enter_context(stopped_in_the_end(start_instance(behind, ports[0], tmp_path)))
            # A rolling restart: one after the other is told to end, and replaced.
            second.send_signal(signal.SIGTERM)
            assert second.wait(20) in (0, -signal.SIGTERM)
            asking.wait_for_more(200)
            stack.enter_context(stopped_in_the_end(start_instance(behind, ports[1], tmp_path)))
            asking.wait_for_more(200)
        assert asking.failures == []
        assert asking.asked > 800
        assert httpx.get(f"{url}/metrics").status_code == 404
        assert httpx.post(f"{url}/v1/predictions/batch", content=b" " * 1_100_000).status_code == 413
        assert httpx.get(url, headers={"X": "a" * 65_536}).status_code in (400, 431)
        answer = httpx.get(f"{url}{GAME}", headers={"X-Request-ID": "mine"})
        assert len(answer.headers["x-request-id"]) == 32
        assert "nginx/" not in answer.headers.get("server", "")


def test_honest_503s_take_no_instance_out_and_one_that_is_not_ready_costs_no_reader_anything(
    behind: World, tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    nowhere = {"DATABASE_URL": f"mysql+pymysql://root@127.0.0.1:{free_port()}/ours", "SERVING_DIR": str(tmp_path / "b")}
    with ExitStack() as stack:
        stack.enter_context(stopped_in_the_end(start_instance(behind, ports[0], tmp_path)))
        unready = start_instance(behind, ports[1], tmp_path, readiness=503, **nowhere)
        stack.enter_context(stopped_in_the_end(unready))
        url = stack.enter_context(nginx(tmp_path, ports))
        with Asking(url) as asking:
            refused = [httpx.get(f"{url}{NO_CHAMPION}") for _ in range(60)]
            asking.wait_for_more(100)
        assert asking.failures == []
        assert {(answer.status_code, answer.headers["content-type"]) for answer in refused} == {
            (503, "application/problem+json")
        }
        assert {answer.json()["code"] for answer in refused} == {"SERVICE_ERROR"}

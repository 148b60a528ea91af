"""The nginx configuration of deploy/ with the real nginx and two real instances, of which one dies or hangs."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from core.signing import KEY_FILE
from serving.api.guarded_route import REQUIRED_SCOPES
from tests.services import free_port
from tests.serving.conftest import World, filled_world
from tests.serving.guarded import make_key

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "nginx.conf"
GAME = "/v1/predictions/soccer/EPL/EPL-102"
SLASHED = "/v1/predictions/soccer/EPL/EPL%2F104"
BATCH = "/v1/predictions/batch"
GAMES = {"games": [{"sport": "soccer", "league": "EPL", "game_id": "EPL-102"}]}
NO_CHAMPION = "/v1/matchups/american_football/NFL?home=Bears&away=Packers"
"""A request that a healthy service answers with 503, because that league has no model."""

PROBLEM = "application/problem+json"
BOT_SECONDS = 2.5
"""The bot's time limit for an answer."""

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

Process = subprocess.Popen[bytes]

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed; `make test` installs it"),
]


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with filled_world(tmp_path_factory.mktemp("nginx")) as world:
        yield world


def start_instance(
    world: World, port: int, folder: Path, *, readiness: int = 200, overrides: Mapping[str, str] | None = None
) -> Process:
    """Start a service in its own process, and wait until /readyz returns ``readiness``."""
    environment = {
        **os.environ,
        "DATABASE_URL": world.engine.url.render_as_string(hide_password=False),
        "BUNDLE_DIR": str(world.store),
        "TRUSTED_PROXIES": "127.0.0.1",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "DBSBM_ENV": "development",
        **(overrides or {}),
    }
    command = [sys.executable, "-m", "flows.cli", "serve", "--port", str(port), "--as-of", "2024-05-01T12:00"]
    with (folder / f"{port}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=Path(__file__).parents[3], env=environment, stdout=log, stderr=log)
    wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == readiness, process)
    return process


def without_database(folder: Path) -> dict[str, str]:
    """Return settings of an instance without a database and without files of an earlier run."""
    address = f"mysql+pymysql://root@127.0.0.1:{free_port()}/ours"
    return {"DATABASE_URL": address, "SERVING_DIR": str(folder / "nothing")}


def wait_for(check: Callable[[], bool], process: Process, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            if check():
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, "it ended before it was ready"
        assert time.monotonic() < until, "it was not ready in time"
        time.sleep(0.1)


@contextmanager
def stopped_at_exit(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def nginx(folder: Path, ports: tuple[int, int], *, rate: int = 100_000, healthz: int = 200) -> Iterator[str]:
    """Run nginx with the configuration of deploy/, except for its ports and the ``rate`` per address.

    All requests of the tests come from one address, which the configured rate would limit. ``healthz`` is the status
    of the instances once nginx runs.
    """
    port = free_port()
    text = CONFIGURATION.read_text(encoding="utf-8")
    for name, instance in {"127.0.0.1:8001": ports[0], "127.0.0.1:8002": ports[1]}.items():
        assert text.count(f"server {name} ") == 2
        text = text.replace(f"server {name} ", f"server 127.0.0.1:{instance} ")
    text, changed = re.subn(r"listen 8080;", f"listen 127.0.0.1:{port};", text)
    assert changed == 1
    assert text.count("rate=200r/s") == 1
    text = text.replace("rate=200r/s", f"rate={rate}r/s")
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"daemon off; pid {folder}/pid; events {{}} http {{ access_log off; error_log {folder}/errors; {places} {text} }}"
    (folder / "nginx.conf").write_text(whole)
    command = [str(NGINX), "-e", f"{folder}/errors", "-p", str(folder), "-c", f"{folder}/nginx.conf"]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with stopped_at_exit(subprocess.Popen(command)) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: httpx.get(f"{url}/healthz").status_code == healthz, process)
        yield url


class ContinuousLoad:
    """Clients that send requests continuously, and record every answer other than 200."""

    def __init__(self, url: str, clients: int = 4, headers: Mapping[str, str] | None = None) -> None:
        self._stop = threading.Event()
        self._url = url
        self._headers = headers
        self.asked = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "ContinuousLoad":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=10, headers=self._headers) as client:
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


class TimedCaller:
    """A caller that sends one request after another, as the bot does, and records answers and their seconds."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.seconds: list[float] = []
        self.answers: list[httpx.Response] = []

    def get(self, path: str = GAME) -> httpx.Response:
        return self._record(lambda: self._client.get(path))

    def post(self, path: str = BATCH) -> httpx.Response:
        return self._record(lambda: self._client.post(path, json=GAMES))

    def _record(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        began = time.monotonic()
        self.answers.append(ask())
        self.seconds.append(time.monotonic() - began)
        return self.answers[-1]

    def seen(self) -> set[tuple[int, str]]:
        return {(answer.status_code, answer.headers["content-type"]) for answer in self.answers}

    def slow(self) -> int:
        return sum(seconds > 0.5 for seconds in self.seconds)


def requests_at(port: int) -> int:
    """Return the number of requests below /v1, by the instance's own metrics."""
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text.splitlines()
    counts = [line for line in lines if line.startswith("dbsbm_requests_total{") and 'route="/v1/' in line]
    return round(sum(float(line.rpartition(" ")[2]) for line in counts))


def test_instances_behind_nginx_are_killed_and_restarted_without_a_failed_request(
    behind: World, tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    with ExitStack() as stack:
        first, second = (stack.enter_context(stopped_at_exit(start_instance(behind, p, tmp_path))) for p in ports)
        url = stack.enter_context(nginx(tmp_path, ports))
        with ContinuousLoad(url) as load:
            load.wait_for_more(100)
            first.kill()
            load.wait_for_more(300)
            first = stack.enter_context(stopped_at_exit(start_instance(behind, ports[0], tmp_path)))
            # A rolling restart: the second instance is terminated and replaced.
            second.send_signal(signal.SIGTERM)
            assert second.wait(20) in (0, -signal.SIGTERM)
            load.wait_for_more(200)
            stack.enter_context(stopped_at_exit(start_instance(behind, ports[1], tmp_path)))
            load.wait_for_more(200)
        assert load.failures == []
        assert load.asked > 800
        assert httpx.get(f"{url}/metrics").status_code == 404
        assert httpx.post(f"{url}/v1/predictions/batch", content=b" " * 1_100_000).status_code == 413
        assert httpx.get(url, headers={"X": "a" * 65_536}).status_code in (400, 431)
        answer = httpx.get(f"{url}{GAME}", headers={"X-Request-ID": "mine"})
        assert len(answer.headers["x-request-id"]) == 32
        assert "nginx/" not in answer.headers.get("server", "")


def test_answers_with_503_take_no_instance_out_of_rotation(behind: World, tmp_path: Path) -> None:
    ports = free_port(), free_port()
    with ExitStack() as stack:
        stack.enter_context(stopped_at_exit(start_instance(behind, ports[0], tmp_path)))
        unready = start_instance(behind, ports[1], tmp_path, readiness=503, overrides=without_database(tmp_path))
        stack.enter_context(stopped_at_exit(unready))
        url = stack.enter_context(nginx(tmp_path, ports))
        with ContinuousLoad(url) as load:
            refused = [httpx.get(f"{url}{NO_CHAMPION}") for _ in range(60)]
            load.wait_for_more(100)
        assert load.failures == []
        assert {(answer.status_code, answer.headers["content-type"]) for answer in refused} == {(503, PROBLEM)}
        assert {answer.json()["code"] for answer in refused} == {"SERVICE_ERROR"}
        assert requests_at(ports[1]) > 60  # it was never taken out of rotation


def test_an_instance_that_hangs_delays_two_requests_and_is_used_again_later(behind: World, tmp_path: Path) -> None:
    """Sequential requests as the bot sends them, POSTs included; eight seconds are less than fail_timeout."""
    ports = free_port(), free_port()
    with ExitStack() as stack:
        first, _ = (stack.enter_context(stopped_at_exit(start_instance(behind, p, tmp_path))) for p in ports)
        url = stack.enter_context(nginx(tmp_path, ports))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=30))
        calm, hanging, back = TimedCaller(client), TimedCaller(client), TimedCaller(client)
        for _ in range(50):
            calm.get(), calm.post()
        assert calm.seen() == {(200, "application/json")}
        assert all(requests_at(port) > 20 for port in ports)
        before = requests_at(ports[0])

        first.send_signal(signal.SIGSTOP)
        until = time.monotonic() + 8
        while time.monotonic() < until:
            hanging.get(), hanging.post(), hanging.get(SLASHED)
        assert hanging.seen() == {(200, "application/json")}
        assert len(hanging.seconds) > 100
        # Two, plus what a busy machine adds; without being taken out it would delay every third request.
        assert 2 <= hanging.slow() <= 6
        assert max(hanging.seconds) < BOT_SECONDS

        first.send_signal(signal.SIGCONT)
        wait_for(lambda: back.get().status_code != 200 or requests_at(ports[0]) > before + 20, first)
        assert back.seen() == {(200, "application/json")}


def test_while_both_instances_hang_callers_get_503_with_retry_after_within_their_time_limit(
    behind: World, tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    with ExitStack() as stack:
        both = [stack.enter_context(stopped_at_exit(start_instance(behind, p, tmp_path))) for p in ports]
        url = stack.enter_context(nginx(tmp_path, ports))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=30))
        caller, after = TimedCaller(client), TimedCaller(client)
        for process in both:
            process.send_signal(signal.SIGSTOP)
        for _ in range(3):
            caller.get(), caller.post()
        assert caller.seen() == {(503, PROBLEM)}
        assert {answer.headers["retry-after"] for answer in caller.answers} == {"5"}
        assert max(caller.seconds) < BOT_SECONDS
        for process in both:
            process.send_signal(signal.SIGCONT)
        # They detect their delay, and refuse batches until it has decreased.
        wait_for(lambda: caller.post().status_code == 200, both[0])
        for _ in range(20):
            after.get(), after.post()
        assert after.seen() == {(200, "application/json")}


def test_the_bot_is_answered_while_one_of_two_instances_has_not_loaded_the_keys(behind: World, tmp_path: Path) -> None:
    ports = free_port(), free_port()
    key = {"X-API-Key": make_key(behind.engine, "predict")}
    production = {
        "DBSBM_ENV": "production",
        "SIGNING_KEY": (behind.store.parent / KEY_FILE).read_text(),  # development has signed its bundles
        "KEY_RATE_LIMIT": "10000000",
    }
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(stopped_at_exit(start_instance(behind, p, tmp_path, overrides=production)))
            for p in ports
        )
        url = stack.enter_context(nginx(tmp_path, ports))
        strangers = [httpx.get(f"{url}{GAME}") for _ in range(6)]
        strangers += [httpx.get(f"{url}{GAME}", headers={"X-API-Key": f"{n:012x}.guess"}) for n in range(6)]
        assert {(answer.status_code, answer.headers["content-type"]) for answer in strangers} == {(401, PROBLEM)}
        with ContinuousLoad(url, headers=key) as load:
            load.wait_for_more(200)
            assert all(requests_at(port) > 50 for port in ports)
            second.terminate()
            second.wait(20)
            load.wait_for_more(100)
            keyless = production | without_database(tmp_path)
            second = start_instance(behind, ports[1], tmp_path, readiness=503, overrides=keyless)
            stack.enter_context(stopped_at_exit(second))
            assert httpx.get(f"http://127.0.0.1:{ports[1]}{GAME}", headers=key).status_code == 503
            wait_for(lambda: bool(load.failures) or requests_at(ports[1]) > 50, second)
        assert load.failures == []
        own = TimedCaller(stack.enter_context(httpx.Client(base_url=url, headers=key)))
        for _ in range(20):
            own.get(), own.post()
        assert own.seen() == {(200, "application/json")}
        assert first.poll() is None


def get(path: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join(
        (f"{method} {path} HTTP/{version}", "Host: localhost", "Connection: close", *lines, "", "")
    ).encode()


CHUNKED = "Transfer-Encoding: chunked"
MALFORMED = {
    b"NONSENSE\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\n\r\n": 400,
    get("/x", "Host: other"): 400,
    get("/x%zz"): 400,
    get("/v2/x%00"): 400,
    get("/../x"): 400,
    get("/x", method="TRACE"): 405,
    get(f"/{'a' * 20_000}"): 414,
    get("/x", f"X: {'a' * 20_000}"): 431,
    get("/x", version="3.0"): 505,
    get("/x", "Transfer-Encoding: gzip", method="POST"): 501,
    get("/x", CHUNKED, "Content-Length: 3", method="POST"): 400,
    get("/x", "Content-Length: x", method="POST"): 400,
    get("/x", CHUNKED, method="POST") + b"zz\r\nabc\r\n": 400,
    get("/v1/admin/x", CHUNKED, method="POST") + b"zz\r\nabc\r\n": 400,
    get("/.problem"): 404,
}
"""Requests that nginx answers before it asks an instance, and the status."""


def exchange(port: int, sent: bytes) -> bytes:
    """Return what nginx sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        received = b""
        with suppress(ConnectionResetError):  # it does not read the rest of a request that it refused
            while part := connection.recv(65_536):
                received += part
        return received


def test_refusals_by_nginx_itself_are_problem_documents_with_retry_after(tmp_path: Path) -> None:
    """No instance runs, so that every answer is nginx's own."""
    with nginx(tmp_path, (free_port(), free_port()), rate=1, healthz=503) as url, httpx.Client(base_url=url) as client:
        large = b" " * 1_100_000
        admin = "/v1/admin/models/EPL-results/reload"
        answers = [
            *(client.get(path) for path in (GAME, "/docs.css", "/v2/models/EPL-results", "/v1/games?q=a%2Fb")),
            *(client.post(path, json=GAMES) for path in (BATCH, "/v1/parlays", "/invocations", admin)),
            *(client.post(path, content=large) for path in (BATCH, "/v2/models/EPL-results/infer", admin)),
            client.get("/metrics"),
        ]
        assert [answer.status_code for answer in answers] == [503] * 8 + [413] * 3 + [404]
        limited = [answer for answer in (client.get(GAME) for _ in range(500)) if answer.status_code != 503]
        assert {answer.status_code for answer in limited} == {429}
        for answer in (*answers, limited[0], limited[-1]):
            problem = answer.json()
            assert answer.headers["content-type"] == PROBLEM
            assert problem["status"] == answer.status_code
            assert problem.keys() >= {"type", "title", "code", "detail", "request_id"}
            assert problem["type"] == f"urn:dbsbm:problem:{problem['code']}"
            assert (problem.get("error") == problem["detail"]) is answer.request.url.path.startswith("/v2/")
            assert ("retry-after" in answer.headers) is (answer.status_code in (429, 503))
        hidden = ("/metrics%0a", "/metrics/", "/metrics%20", "//metrics", "/%6Detrics", "/a/../metrics", "/metrics;a")
        port = int(url.rpartition(":")[2])
        for sent, status in {**{get(path): 404 for path in hidden}, **MALFORMED}.items():
            head, _, content = exchange(port, sent).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 %d " % status), sent[:80]
            assert f"content-type: {PROBLEM}" in head.decode().lower(), sent[:80]
            problem = json.loads(content)
            assert (problem["status"], problem["type"]) == (status, f"urn:dbsbm:problem:{problem['code']}")
            assert f"x-request-id: {problem['request_id']}" in head.decode().lower()
        codes = {answer.status_code: answer.json()["code"] for answer in (*answers, limited[0])}
        assert codes == {
            503: "SERVICE_ERROR",
            413: "VALIDATION_ERROR",
            404: "NOT_FOUND_ERROR",
            429: "RATE_LIMIT_ERROR",
        }


def test_every_route_with_effects_is_in_the_location_without_a_second_attempt() -> None:
    changing = {path for path, scope in REQUIRED_SCOPES.items() if scope in ("train", "admin")}
    assert changing
    assert all(path.startswith("/v1/admin/") for path in changing)
    assert "location /v1/admin/ {" in CONFIGURATION.read_text(encoding="utf-8")

"""The service as its users run it: ``dbsbm serve`` in separate processes, requested over sockets."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.serving.conftest import World
from tests.serving.service import settings_for

START_SECONDS = 90.0


@dataclass
class Served:
    """A running ``dbsbm serve``."""

    url: str
    process: "subprocess.Popen[bytes]"
    ready_after: float
    """Seconds from the start of the process to the line with its address."""

    said: Path
    """File with its output and log."""

    reader: "LogReader"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def workers(self) -> list[int]:
        """Process ids of its children that serve, oldest first."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if "multiprocessing.spawn" in _command(int(pid))]

    def resident(self, pid: int) -> int:
        """Megabytes of memory that the process holds."""
        status = Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024  # type: ignore[index]

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10)


class LogReader:
    """Copies the output of a service to a file, and can pause, as a stopped log collector does."""

    def __init__(self, said: Path) -> None:
        self._reading, self.writing = os.pipe()
        self._said = said
        self._reads = threading.Event()
        self._reads.set()
        self._thread = threading.Thread(target=self._copy)
        self._thread.start()

    def pause(self) -> None:
        """Read nothing more after the next piece."""
        self._reads.clear()

    def resume(self) -> None:
        self._reads.set()

    def close(self) -> None:
        """Read until every process has closed its end."""
        self._reads.set()
        self._thread.join(30)

    def _copy(self) -> None:
        with self._said.open("wb", buffering=0) as file:
            while piece := os.read(self._reading, 65_536):
                file.write(piece)
                self._reads.wait()
        os.close(self._reading)


@contextmanager
def served(
    world: World,
    *,
    workers: int = 1,
    python: str = sys.executable,
    port: int = 0,
    as_of: str | None = "2024-05-01T12:00:00Z",
    **overrides: str,
) -> Iterator[Served]:
    """The service over a world, on that port or a free one, until the block ends; ``as_of`` None lets time pass."""
    settings = settings_for(world.engine, world.store)
    assert settings.database_url is not None
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/tmp"),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "BUNDLE_DIR": str(settings.bundle_dir),
        "SERVING_DIR": str(settings.serving_dir),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "OMP_WAIT_POLICY": "passive",
        **overrides,
    }
    command = [python, "-m", "flows.cli", "serve", "--port", str(port), "--workers", str(workers)]
    command += [] if as_of is None else ["--as-of", as_of]
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        said = Path(folder) / "said"
        said.touch()
        reader = LogReader(said)
        process = subprocess.Popen(command, env=environment, stdout=reader.writing, stderr=reader.writing)
        os.close(reader.writing)
        try:
            url = _address(process, said)
            yield Served(url, process, time.monotonic() - began, said, reader)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.close()


def _address(process: "subprocess.Popen[bytes]", said: Path) -> str:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        found = re.search(r"serving at (http://[^\s,]+)", said.read_text())
        if found:
            return found[1]
        assert process.poll() is None, said.read_text()[-2000:]
        time.sleep(0.05)
    raise AssertionError(said.read_text()[-2000:])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""

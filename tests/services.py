"""Private MariaDB and Redis processes for tests and benchmarks, on free ports and in temporary folders."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pymysql
import redis
from sqlalchemy.engine import URL

START_LIMIT = 60.0
MEMORY_BYTES = 2**30
INSTALL_HINT = "`make test` installs it; by hand: apt-get install mariadb-server redis-server"


def memory_folder() -> Path | None:
    """Where files lie in memory and are never synced to a disk; None without a gigabyte of room there."""
    folder = Path("/dev/shm")
    there = folder.is_dir() and os.access(folder, os.W_OK)
    return folder if there and shutil.disk_usage(folder).free > MEMORY_BYTES else None


def free_port() -> int:
    """Return a free port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Restartable(ABC):
    """A server that can be killed and restarted on its port with its data."""

    port: int
    command: list[str]
    log: BinaryIO
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.command[0]} did not start")
            time.sleep(0.02)

    def kill(self) -> None:
        """Send SIGKILL, as in a power failure."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Terminate the process in an orderly way, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server responds."""


class MariaDb(Restartable):
    """A running server with a root account that needs no password."""

    def answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True

    def address(self, database: str) -> URL:
        return URL.create("mysql+pymysql", "root", None, "127.0.0.1", self.port, database, {"charset": "utf8mb4"})

    def execute(self, statement: str) -> None:
        with pymysql.connect(host="127.0.0.1", port=self.port, user="root") as connection:
            connection.cursor().execute(statement)

    def recreate(self, database: str) -> URL:
        """Create an empty database of that name, replacing one that exists."""
        self.execute(f"DROP DATABASE IF EXISTS `{database}`")
        self.execute(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        return self.address(database)


class RedisServer(Restartable):
    """A running server without a password."""

    def answers(self) -> bool:
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def mariadb_server(*, durable: bool = False, beneath: Path | None = None) -> Iterator[MariaDb]:
    """Run a private MariaDB in MySQL's strict modes; a ``durable`` one keeps committed data when killed.

    Its files lie in a new folder ``beneath`` that one, or where temporary files do.
    """
    # Not under pytest's folder: a socket path over 107 characters aborts the server.
    folder = Path(tempfile.mkdtemp(prefix="mdb-", dir=beneath))
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    port = free_port()
    modes = "STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,TIME_ROUND_FRACTIONAL"
    log = (folder / "output.log").open("wb")
    try:
        subprocess.run(
            [
                _program("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={folder}/data",
                f"--tmpdir={folder}",  # a server that starts deletes files of others in a shared one
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *as_root,
            ],
            check=True,
            stdout=log,
            stderr=log,
        )
        command = [
            _program("mariadbd"),
            "--no-defaults",
            *as_root,
            f"--datadir={folder}/data",
            f"--tmpdir={folder}",  # a server that starts deletes files of others in a shared one
            f"--socket={folder}/s.sock",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={folder}/pid",
            "--skip-name-resolve",
            f"--innodb-flush-log-at-trx-commit={2 * durable}",
            "--innodb-buffer-pool-size=256M",
            "--performance-schema=OFF",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_bin",
            f"--sql-mode={modes}",
        ]
        server = MariaDb(port, command, log)
        with _running(server):
            yield server
    finally:
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis_server(port: int | None = None) -> Iterator[RedisServer]:
    """Run a private Redis without persistence."""
    folder = tempfile.mkdtemp(prefix="rds-")
    port = port or free_port()
    try:
        command = [
            _program("redis-server"),
            *("--port", str(port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--dir", folder),
        ]
        with (Path(folder) / "output.log").open("wb") as log:
            server = RedisServer(port, command, log)
            with _running(server):
                yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(server: Restartable) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()


def _program(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    if path is None:
        msg = f"{name} is not installed; {INSTALL_HINT}"
        raise RuntimeError(msg)
    return path

"""The same service with and without the fast path, for tests that compare every byte of their responses."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from core.logs import configure_logs
from serving.runtime.load_shedding import LoadShedding
from serving.server import running_server
from tests.serving.conftest import World, logging_restored
from tests.serving.guarded import make_key, production_settings
from tests.serving.service import MovingClock, eventually

GAME = "/v1/predictions/soccer/EPL/EPL-102"
CHANGING = re.compile(rb"^(date|ratelimit-remaining|ratelimit-reset): [^\r]*", re.MULTILINE)
MADE_ID = re.compile(rb"\b[0-9a-f]{32}\b")


@dataclass
class Pair:
    """The same service with and without the fast path."""

    with_fast_path: str
    without: str
    key: str

    def exchange(self, sent: bytes) -> list[bytes]:
        """Return both responses to these bytes, without what changes with time and the ids that the server makes."""
        responses = [exchange(url, sent) for url in (self.with_fast_path, self.without)]
        return [MADE_ID.sub(b"made", CHANGING.sub(rb"\1", response)) for response in responses]

    def head(self, path: str = GAME, *lines: str, method: str = "GET") -> bytes:
        fixed = (f"{method} {path} HTTP/1.1", "Host: us", "X-Request-ID: the-same", "Connection: close")
        return "\r\n".join((*fixed, f"X-API-Key: {self.key}", *lines, "", "")).encode()


def exchange(url: str, sent: bytes) -> bytes:
    """Return what arrives until the server closes the connection."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(sent)
        with connection.makefile("rb") as file:
            return file.read()


@contextmanager
def running_pair(world: World, clock: MovingClock | None = None) -> Iterator[Pair]:
    """Both servers over one world, each with the game in its cache; they share the clock."""
    clock = clock or MovingClock()
    key = make_key(world.engine, "predict", guild_id=None)
    settings = production_settings(world, key_rate_limit=1_000_000)
    off = settings.model_copy(update={"fast_path": False})
    with (
        logging_restored(),
        pytest.MonkeyPatch.context() as patch,
        running_server(settings, clock) as fast,
        running_server(off, clock) as slow,
    ):
        configure_logs(settings)
        patch.setattr(LoadShedding, "observe", lambda _load, _lateness: None)  # a busy machine must not shed requests
        pair = Pair(fast, slow, key)
        for url in (fast, slow):
            eventually(lambda url=url: b'"cache":"local"' in exchange(url, pair.head()))  # type: ignore[misc]
            eventually(lambda url=url: b'"reasons":null' not in exchange(url, pair.head()))  # type: ignore[misc]
        yield pair

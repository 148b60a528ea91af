"""Row A13: slow clients beside one of normal speed."""

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.history import broken_invariants
from tests.chaos.outcome import Outcome, row
from tests.chaos.rows.load import behind_nginx
from tests.chaos.stage import Stage, until
from tests.chaos.world import hot_games
from tests.serving.api.test_abuse import BATCH

SOCKETS = 200
READERS = 50
SECONDS = 13.0


@dataclass
class Dripping:
    """Sockets that send a few bytes every second, and when the server closed each of them."""

    port: int
    opening: bytes
    drop: bytes
    count: int
    closed: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Open the sockets, send slowly, and record the seconds until each is closed."""
        began = time.monotonic()
        open_ones = set()
        for _ in range(self.count):
            with suppress(OSError):
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
                connection.sendall(self.opening)
                connection.setblocking(False)
                open_ones.add(connection)
        refused = self.count - len(open_ones)
        self.closed += [0.0] * refused
        while open_ones and time.monotonic() - began < seconds:
            time.sleep(1)
            for connection in list(open_ones):
                if self._was_closed(connection):
                    self.closed.append(time.monotonic() - began)
                    open_ones.discard(connection)
                    connection.close()
        for connection in open_ones:
            connection.close()

    def _was_closed(self, connection: socket.socket) -> bool:
        try:
            if self.drop:
                connection.send(self.drop)
            while content := connection.recv(65_536):
                if content.startswith(b"HTTP/1.1 408"):
                    return True
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


def _not_reading(stage: Stage, count: int) -> list[socket.socket]:
    """Open sockets with small buffers, request more than the buffers hold, and read nothing."""
    games = [{"sport": "soccer", "league": "EPL", "game_id": game.rpartition("/")[2]} for game in hot_games()[:100]]
    content = json.dumps({"games": games})
    head = (
        f"Host: 127.0.0.1\r\nX-API-Key: {stage.key}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    )
    made = []
    for _ in range(count):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        connection.connect(("127.0.0.1", stage.service.port))
        connection.sendall(f"POST {BATCH} HTTP/1.1\r\n{head}\r\n\r\n{content}".encode() * 20)
        made.append(connection)
        time.sleep(0.2)
    return made


def _open_files(stage: Stage) -> int:
    """Return the open files of all workers; the client of a dropped socket notices that only when it reads."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in stage.service.workers())


@row(
    "A13",
    f"{SOCKETS} sockets with a line of a head a second, as many with a dripping body, {READERS} that do not read; at the service itself and through nginx",
)
def slow(stage: Stage, scale: float, outcome: Outcome) -> None:
    body = (
        f"POST {BATCH} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {stage.key}\r\nContent-Length: 1000\r\n\r\n".encode()
    )
    kinds: dict[str, Callable[[int], Dripping]] = {
        "heads": lambda port: Dripping(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"X-A: b\r\n", SOCKETS),
        "bodies": lambda port: Dripping(port, body, b"x", SOCKETS),
    }
    for name, kind in kinds.items():
        _drip(stage, outcome, name, kind(stage.service.port), stage.service.port)
    with stage.load(rate=50) as load:
        time.sleep(1)
        before, readers = _open_files(stage), _not_reading(stage, READERS)
        connected = _open_files(stage) - before
        left = until(lambda: _open_files(stage) - before <= READERS * 0.1, 15)
    for connection in readers:
        connection.close()
    outcome.report(f"readers: {connected} of {READERS} connected when the last one came, dropped {left:.1f} s after")
    outcome.traffic(load.answers, within=200, bare=load.bare)
    outcome.expect(connected >= READERS * 0.8, f"readers: {connected} were connected when the last one came")
    outcome.expect(left <= 10.5, f"readers: dropped {left:.1f} s after the last one came, 10 allowed")
    outcome.wrong += broken_invariants(stage, load.answers)
    with behind_nginx(stage, 1) as behind:
        _drip(stage, outcome, "heads through nginx", kinds["heads"](behind.port), behind.port)


def _drip(stage: Stage, outcome: Outcome, name: str, dripping: Dripping, port: int) -> None:
    with stage.load(port=port, rate=50) as load:
        dripping.run(SECONDS)
    outcome.report(
        f"{name}: {len(dripping.closed)} of {dripping.count} closed, the last after {max(dripping.closed, default=0):.1f} s"
    )
    outcome.traffic(load.answers, within=200, bare=load.bare)
    # Checked once a second; each check takes some time.
    late = dripping.count - sum(seconds <= 11.5 for seconds in dripping.closed)
    outcome.expect(late == 0, f"{name}: {late} sockets were open after 10 s")
    outcome.wrong += [f"{name}: {one}" for one in broken_invariants(stage, load.answers)]

"""What an error costs the server beside a hit: processor time per request, and per item of a batch.

``make bench ARGS=errors``; no error may cost more than ten times a hit. The league has thousands of games, because help
texts look for the nearest names among them.
"""

import json
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy.engine import make_url

from core.database.engines import open_database
from serving.access.api_keys import create_key
from tests.bench.serving import stage
from tests.bench.serving.requests import cpu_seconds
from tests.bench.serving.stage import Server, Stage

GAMES: Final = 5_000
ROUNDS: Final = 3
SECONDS: Final = 1.0
IDLE: Final = 0.03
"""Share of a processor that an idle server uses."""

BATCH: Final = 100
MOST: Final = 10.0
"""Times the cost of a hit that an error may have."""

ONE: Final = "/v1/predictions/{}"
MANY: Final = "/v1/predictions/batch"


class Kind(NamedTuple):
    """A request that is repeated, and the status of its response."""

    name: str
    status: int
    sent: bytes
    beside: str = "hit"
    """The answer that its cost is compared with: one of the same route, where that has no hits."""
    items: int = 1
    """Of a batch, its size: the cost is that of an item."""


def run() -> None:
    """Print a table of every kind of error; the last line names those that cost too much."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place = stage.make_cold_stage(folder / "errors", f"sqlite:///{folder}/errors.db", "", GAMES)
        service = stack.enter_context(stage.served(place))
        kinds = list(kinds_of(place, _key_without_scope(place)))
        _wait_until_idle(service)
        with _Connection(service) as connection:
            connection.ask(kinds[0].sent)
        costs = {kind.name: min(_cost(service, kind) for _ in range(ROUNDS)) for kind in kinds}
    print(f"| errors among {GAMES:,} games | CPU per request or item | times a hit |\n| --- | --- | --- |")
    for kind in kinds:
        times = costs[kind.name] / costs[kind.beside]
        print(f"| {kind.name} | {costs[kind.name] * 1e6:,.0f} us | {times:.1f}{' (!)' if times > MOST else ''} |")


def kinds_of(place: Stage, other_key: str) -> Iterator[Kind]:
    """Hits, then errors that cost admission, routing, validation, look-ups and help texts."""
    sport, league = place.league.sport, place.league.key
    whole = [{"sport": sport, "league": league, "game_id": f"G{number}"} for number in range(BATCH)]

    def get(path: str, *lines: str, key: str = place.key, method: str = "GET") -> bytes:
        return _head(method, path, f"X-API-Key: {key}", *lines)

    def post(content: object, path: str = MANY) -> bytes:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        lines = (f"X-API-Key: {place.key}", "Content-Type: application/json", f"Content-Length: {len(body)}")
        return _head("POST", path, *lines) + body

    def batch(**changed: str) -> bytes:
        return post({"games": [{**item, **{k: f"{v}{n}" for k, v in changed.items()}} for n, item in enumerate(whole)]})

    yield Kind("hit", 200, get(ONE.format(place.game(7))))
    yield Kind("unknown game", 404, get(ONE.format(f"{sport}/{league}/X123456")))
    yield Kind("a pairing as the game", 404, get(ONE.format(f"{sport}/{league}/Club%20001%20v%20Club%20099")))
    yield Kind("game of 120 characters", 404, get(ONE.format(f"{sport}/{league}/{'club ' * 24}").replace(" ", "%20")))
    yield Kind("unknown league", 404, get(ONE.format(f"{sport}/LALGIA/G7")))
    yield Kind("league of 120 characters", 404, get(ONE.format(f"{sport}/{'liga' * 30}/G7")))
    yield Kind("other sport", 404, get(ONE.format(f"tennis/{league}/G7")))
    yield Kind("control character", 404, get(ONE.format(f"{sport}/{league}/G7%0A")))
    yield Kind("game too long", 422, get(ONE.format(f"{sport}/{league}/{'G' * 121}")))
    yield Kind("no route", 404, get("/v1/nothing"))
    yield Kind("other method", 405, get(ONE.format(place.game(7)), method="DELETE"))
    yield Kind("no key", 401, _head("GET", ONE.format(place.game(7))))
    yield Kind("key without the scope", 403, get(ONE.format(place.game(7)), key=other_key))
    yield Kind("guild that is none", 422, get(ONE.format(place.game(7)), "X-Guild-ID: none"))
    yield Kind("body that is no JSON", 422, post(b'{"games":['))
    yield Kind("a model", 200, get("/v2/models/LALIGA-results"), "a model")
    yield Kind("unknown model", 404, get("/v2/models/LALIGA-result"), "a model")
    yield Kind("a price", 200, get(f"/v1/prices/{place.game(7)}?market=total&selection=over&line=2.5"), "a price")
    yield Kind("unknown market", 422, get(f"/v1/prices/{place.game(7)}?market=corners&selection=over"), "a price")
    hits = f"batch of {BATCH} hits"
    yield Kind(hits, 200, batch(), hits, BATCH)
    yield Kind(f"batch of {BATCH} unknown games", 200, batch(game_id="X1234"), hits, BATCH)
    yield Kind(f"batch of {BATCH} unknown leagues", 200, batch(league="LALGIA"), hits, BATCH)
    yield Kind(f"batch of {BATCH} other sports", 200, batch(sport="tennis"), hits, BATCH)
    yield Kind(
        f"batch of {BATCH} with unknown fields", 422, post({"games": [{**one, "x": 1} for one in whole]}), hits, BATCH
    )
    yield Kind("60 kB of unknown fields", 422, post({f"{n:x}": 1 for n in range(6_000)}), hits, BATCH)
    yield Kind(
        "60 kB of unknown fields in a game", 422, post({"games": [{f"{n:x}": 1 for n in range(6_000)}]}), hits, BATCH
    )
    yield Kind("a game 6,000 times", 422, post({"games": [1] * 6_000}), hits, BATCH)


def _key_without_scope(place: Stage) -> str:
    engine = open_database(make_url(place.database))
    now = stage.datetime.now(stage.UTC)
    key = create_key(engine, owner="bench", scopes=["insights"], expires_at=None, now=now)
    engine.dispose()
    return key.text


def _head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: bench", *lines, "", "")).encode()


def _wait_until_idle(service: Server) -> None:
    """Wait until all games are computed ahead: what threads do in the background would count as the requests' cost."""
    spent = SECONDS
    while spent > IDLE * SECONDS:
        before = cpu_seconds(service)
        time.sleep(SECONDS)
        spent = cpu_seconds(service) - before


def _cost(service: Server, kind: Kind) -> float:
    """Processor time of the server for one request, or one item of it [s]."""
    with _Connection(service) as connection:
        before, until, count = cpu_seconds(service), time.monotonic() + SECONDS, 0
        while time.monotonic() < until:
            response = connection.ask(kind.sent)
            if response[9:12] != str(kind.status).encode():
                raise RuntimeError(f"{kind.name}: {response!r}")
            count += 1
        return (cpu_seconds(service) - before) / count / kind.items


class _Connection:
    """A connection to the server, which is opened again when the server closes it."""

    def __init__(self, service: Server) -> None:
        self._port = int(service.url.rpartition(":")[2])
        self._open()

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, sent: bytes) -> bytes:
        """Send the request; return the response."""
        self._socket.sendall(sent)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._received()
        lines, _, body = head.partition(b"\r\n\r\n")
        length = int(lines.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        while len(body) < length:
            body += self._received()
        if b"connection: close" in lines.lower():
            self._socket.close()
            self._open()
        return lines + b"\r\n\r\n" + body

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)

    def _received(self) -> bytes:
        received = self._socket.recv(1 << 20)
        if not received:
            raise RuntimeError("the server closed the connection without a response")
        return received


if __name__ == "__main__":
    run()

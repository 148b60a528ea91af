"""Rows F13 and F14: the registry unavailable at the start, or failing and hanging while answers continue."""

import socketserver
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.chaos.history import broken_invariants
from tests.chaos.outcome import Outcome, row
from tests.chaos.rows.redis import phase
from tests.chaos.stage import Stage, until
from tests.chaos.world import MODEL, hot_games

UNREACHABLE = "http://127.0.0.1:9"
"""A registry that refuses every connection."""


class Registry(BaseHTTPRequestHandler):
    """An MLflow server that answers 500, at once or after a pause."""

    pause = 0.0
    requests = 0

    def do_GET(self) -> None:
        Registry.requests += 1
        ends = time.monotonic() + Registry.pause
        while time.monotonic() < ends and Registry.pause:
            time.sleep(0.1)
        self.send_error(500)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Discard the message."""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore callers that disconnect while they wait."""


@contextmanager
def registry() -> Iterator[str]:
    """Run the registry and yield its address; the count of requests starts at zero."""
    Registry.requests = 0
    with _Server(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            Registry.pause = 0.0
            server.shutdown()
            thread.join()


@row("F13", "started without a registry: with the last good bundle on disk (without MySQL, too), and without any")
def registry_absent(stage: Stage, scale: float, outcome: Outcome) -> None:
    game = f"/v1/predictions/{hot_games()[0]}"
    with tempfile.TemporaryDirectory() as kept:
        with stage.beside(MLFLOW_TRACKING_URI=UNREACHABLE, SERVING_DIR=kept) as first:
            until(lambda: stage.ask("/readyz", port=first.port)[0] == 200)
        with ExitStack() as stack:
            with stage.database_unavailable(certain=False):
                stage.before_database.down()
                began = time.monotonic()
                again = stack.enter_context(stage.beside(MLFLOW_TRACKING_URI=UNREACHABLE, SERVING_DIR=kept))
                until(lambda: stage.ask("/readyz", port=again.port)[0] == 200, 30)
                ready = time.monotonic() - began
                with stage.load(port=again.port) as load:
                    time.sleep(phase(scale, 15))
            stage.before_database.up()
            until(lambda: stage.ask(game, port=again.port)[1]["stale"] is False)
            history = broken_invariants(stage, load.answers)
    outcome.report(f"ready after {ready:.1f} s")
    outcome.traffic(load.answers, within=200, bare=load.bare)
    outcome.expect(ready <= 10, f"ready after {ready:.1f} s, 10 allowed")
    outcome.expect(all(answer.body["stale"] for answer in load.answers), "answers were not marked stale")
    with (
        tempfile.TemporaryDirectory() as empty,
        stage.beside(MLFLOW_TRACKING_URI=UNREACHABLE, bundles=Path(empty)) as bare,
    ):
        until(lambda: len(stage.ask("/readyz", port=bare.port)[1]["causes"]) > 1, 40)
        alive, (ready_status, readiness) = (
            stage.ask("/healthz", port=bare.port)[0],
            stage.ask("/readyz", port=bare.port),
        )
        answer = stage.ask(game, port=bare.port)
    outcome.report(
        f"without a bundle: alive {alive}, ready {ready_status}, because: {' '.join(readiness['causes'])[:140]}"
    )
    outcome.expect(
        (alive, ready_status, answer[0]) == (200, 503, 503), f"without a bundle: {alive}, {ready_status}, {answer[0]}"
    )
    outcome.expect(
        any(f"{MODEL} " in cause for cause in readiness["causes"]), f"the causes name no model: {readiness['causes']}"
    )
    outcome.wrong += history


@row("F14", "the registry answers 500, then after 20 s; champions without a bundle on disk are promoted meanwhile")
def registry_hangs(stage: Stage, scale: float, outcome: Outcome) -> None:
    sound, missing = stage.models.changes[-1].version, []

    def lost(folder: Path) -> None:
        missing.append(folder)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()

    with registry() as url, stage.beside(MLFLOW_TRACKING_URI=url) as served:
        until(lambda: stage.ask("/readyz", port=served.port)[0] == 200)
        with stage.load(port=served.port) as load:
            for pause in (0.0, 20.0):
                Registry.pause, before = pause, Registry.requests
                stage.models.promote(stage.models.add(spoil=lost))
                until(lambda before=before: Registry.requests > before, 30)  # type: ignore[misc]
                time.sleep(phase(scale))
            hanging = stage.ask("/readyz", port=served.port)[1]["models"][MODEL]
            promoted = stage.models.promote(next(stage.ring))

            def follows() -> bool:
                return stage.ask("/readyz", port=served.port)[1]["models"][MODEL]["generation"] == promoted.generation

            followed = until(follows, 60)
        history = broken_invariants(stage, load.answers)
    stage.wait_for_generation(promoted.generation)
    outcome.traffic(load.answers, within=200, bare=load.bare)
    outcome.report(
        f"the registry received {Registry.requests} requests; a valid version answered {followed:.1f} s after its promotion"
    )
    outcome.expect(Registry.requests >= 2, "the registry received no request")
    outcome.expect(hanging["version"] == sound, f"version {hanging['version']} answered while the registry hung")
    outcome.expect(followed <= 30, f"the sound version answered {followed:.1f} s after its promotion")
    outcome.wrong += history

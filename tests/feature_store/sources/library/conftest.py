"""A server on this machine in place of the sites that publish seasons."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest


class Site(BaseHTTPRequestHandler):
    """Serves the pages it is given and notes what was asked for."""

    pages: dict[str, bytes | int]
    asked: list[str]
    slow: Event

    def do_GET(self) -> None:
        self.asked.append(self.path)
        page = self.pages.get(self.path, 404)
        if page == 0:
            self.slow.wait(5)
            return
        self.send_response(page if isinstance(page, int) else 200)
        self.end_headers()
        self.wfile.write(page if isinstance(page, bytes) else b"sorry")

    def log_message(self, *_: object) -> None:
        """Nothing: pytest would show it."""


@pytest.fixture
def site() -> Iterator[Callable[..., tuple[str, list[str]]]]:
    stops: list[Callable[[], None]] = []

    def serve(pages: dict[str, bytes | int]) -> tuple[str, list[str]]:
        handler = type("Handler", (Site,), {"pages": pages, "asked": [], "slow": Event()})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = Thread(target=server.serve_forever)
        thread.start()
        stops.extend((handler.slow.set, server.shutdown, thread.join, server.server_close))
        return f"http://127.0.0.1:{server.server_port}", handler.asked

    yield serve
    for stop in stops:
        stop()

"""A local server that plays a service on the network: what it answers is set by the test, what it was asked is kept."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import orjson

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.archive.sources.terms import SourceTerms
from feature_store.identity.team_aliases import NO_ALIASES
from feature_store.sources.feeds.client.call_ledger import CallLedger
from feature_store.sources.feeds.configuration import FeedConfiguration
from feature_store.sources.feeds.event_reader import EventReading
from feature_store.sources.feeds.feed import FeedLook
from feature_store.sources.feeds.opening import feed_ledger, feed_plan, open_feed
from feature_store.sources.live_tables import read_live_table

LEAGUES = Leagues(BUILT_IN)


@dataclass
class PlayedAnswer:
    """One answer; ``cut`` leaves the connection after half of the body."""

    content: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False

    @property
    def body(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else orjson.dumps(self.content)


@dataclass
class Service:
    """The server's address, its answers by path, and the requests it got: path, query, headers."""

    address: str
    answers: dict[str, PlayedAnswer | Callable[[], PlayedAnswer]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.requests]


@contextmanager
def played_service() -> Iterator[Service]:
    """A service on a free port of this machine."""
    service = Service("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            service.requests.append((parts.path, dict(parse_qsl(parts.query)), headers))
            planned = service.answers.get(parts.path, PlayedAnswer({"message": "unknown path"}, 404))
            answer = planned() if callable(planned) else planned
            self.send_response(answer.status)
            for name, value in {"content-length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)

        def log_message(self, *_: object) -> None:
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class PlayedFeed:
    """A feed that asks a played service, opened anew for every look, as by a process that was restarted."""

    name: str
    configuration: FeedConfiguration
    folder: Path
    key: str | None = None
    time_limit: float = 5

    def look(self, now: datetime) -> FeedLook:
        shared = EventReading(self.name, NO_ALIASES, read_live_table)
        with httpx.Client(timeout=self.time_limit) as session:
            feed = open_feed(self.configuration, LEAGUES, shared, key=self.key, folder=self.folder, session=session)
            return feed.look(now)

    @property
    def terms(self) -> SourceTerms:
        return self.configuration.terms

    @property
    def leagues(self) -> dict[str, str]:
        return self.configuration.leagues

    @property
    def ledger(self) -> CallLedger:
        return feed_ledger(self.name, self.configuration, self.folder)

    def calls_per_look(self, now: datetime) -> int:
        return feed_plan(self.name, self.configuration, LEAGUES).calls_per_look(now)

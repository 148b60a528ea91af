"""A running service with the interface of tests/serving, but over sockets, so that rows can run those tests."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.stage import Stage

CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Remote:
    """The part of ``tests.serving.service.Running`` that those tests use."""

    client: httpx.Client

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send the request to the stage's host, without header values that HTTP clients refuse (row A1 sends raw bytes)."""
        headers = {name: value for name, value in (options.pop("headers", None) or {}).items() if _is_sendable(value)}
        return self.client.request(method, path.removeprefix("http://service"), headers=headers, **options)

    @property
    def app(self) -> "Remote":
        return self

    def openapi(self) -> Any:
        """Return the service's OpenAPI document."""
        return self.client.get("/openapi.json").json()


@contextmanager
def remote(stage: Stage) -> Iterator[Remote]:
    """Connect to the stage's service."""
    with httpx.Client(base_url=stage.service.url, timeout=30) as client:
        yield Remote(client)


def _is_sendable(value: str | bytes) -> bool:
    content = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return not CONTROL.search(content) and content == content.strip()

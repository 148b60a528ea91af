"""A running service as the tests of tests/serving know it, but reached over sockets: their code is then the row's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.stage import Stage


@dataclass(frozen=True)
class Remote:
    """Has of ``tests.serving.service.Running`` what those tests use."""

    client: httpx.Client

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.client.post(path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.client.request(method, path.removeprefix("http://service"), **options)

    @property
    def app(self) -> "Remote":
        return self

    def openapi(self) -> Any:
        """The description that the service gives of itself."""
        return self.client.get("/openapi.json").json()


@contextmanager
def remote(stage: Stage) -> Iterator[Remote]:
    """The stage's service."""
    with httpx.Client(base_url=stage.service.url, timeout=30) as client:
        yield Remote(client)

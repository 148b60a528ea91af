"""Rejects paths that the framework's patterns would match by mistake.

A pattern that ends in ``$`` also matches before a line break at the end, so that ``/metrics%0A`` would be ``/metrics``
to a route and another path to everything in front of it; and ``.`` matches no line break, so that a route and the fast
path would read different ids. No path of this service has a control character.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from core.text.identifiers import has_unprintable
from serving.http.problems import refusal_response
from serving.telemetry.trace import trace_of


class ExactPaths:
    """Rejects requests whose decoded path has a character that no id or name may have, with 404."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and has_unprintable(scope["path"]):
            await refusal_response(404, trace_of(scope).request_id)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

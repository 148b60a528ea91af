"""Rejects requests that are addressed to another host."""

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.problems import refusal_response
from serving.telemetry.trace import trace_of


class AllowedHosts:
    """Rejects requests whose Host header is missing, repeated or names another host, with 400.

    ``hosts`` are the accepted names, ``*.example.com`` with all its subdomains; if empty, every name is accepted.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._names = frozenset(host.lower().encode() for host in hosts if not host.startswith("*."))
        self._endings = tuple(host[1:].lower().encode() for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self.allow(scope):
            await self._app(scope, receive, send)
        else:
            await refusal_response(400, trace_of(scope).request_id)(scope, receive, send)

    def allow(self, scope: Scope) -> bool:
        """Whether the request names exactly one host, and an accepted one."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            return not hosts and scope["http_version"] == "1.0" and not (self._names or self._endings)
        if not (self._names or self._endings):
            return True
        name = _without_port(hosts[0].lower())
        return name in self._names or name.endswith(self._endings)


def _without_port(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() else host

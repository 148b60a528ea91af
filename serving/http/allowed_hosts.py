"""Which requests are not for us at all."""

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.problems import refusal
from serving.telemetry.trace import trace_of


class AllowedHosts:
    """Refuses requests that are addressed to somebody else, with 400: another name, none or two names.

    ``hosts`` are the names that are ours, ``*.example.com`` with all below it; without any, every name is.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._names = frozenset(host.lower().encode() for host in hosts if not host.startswith("*."))
        self._endings = tuple(host[1:].lower().encode() for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self.allow(scope):
            await self._app(scope, receive, send)
        else:
            await refusal(400, trace_of(scope).request_id)(scope, receive, send)

    def allow(self, scope: Scope) -> bool:
        """Whether the request names one host, and that is ours."""
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

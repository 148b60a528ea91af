"""Who may ask what. A route that stands in neither list cannot be added to the app."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader

from serving.keys import Scope
from serving.state import service_of
from serving.trace import trace_of

DEMANDED: Final[Mapping[str, Scope]] = {
    "/v1/predictions/{sport}/{league}/{game_id}": "predict",
    "/v1/predictions/batch": "predict",
    "/v1/matchups/{sport}/{league}": "predict",
    "/v1/prices/{sport}/{league}/{game_id}": "predict",
    "/v1/games": "read",
    "/v1/models": "read",
}
"""The scope that a key needs for each route, wherever keys are demanded."""

OPEN: Final = frozenset(("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"))
"""Routes that anybody may ask: probes, scraping and documentation. They tell nothing of games, callers or secrets."""

KEY_NAME: Final = "X-API-Key"
KEY_HEADER: Final = APIKeyHeader(name=KEY_NAME, auto_error=False, description="`id.secret`; not needed in development.")


class GuardedRoute(APIRoute):
    """A route that looks at the key before it reads anything else of the request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        scope = DEMANDED[self.path_format]

        async def guarded(request: Request) -> Response:
            service = service_of(request)
            if service.settings.demands_keys:
                key = service.keys.admit(request.headers.get(KEY_NAME), scope, service.clock.now())
                trace_of(request.scope).key_id = key.key_id
            return await answer(request)

        return guarded

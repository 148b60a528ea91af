"""The scope that each route requires, checked before anything else of the request is read."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader

from serving.access.admission import KEY_NAME
from serving.access.api_keys import Scope, ScopeError
from serving.service import service_of

REQUIRED_SCOPES: Final[Mapping[str, Scope]] = {
    "/v1/predictions/{sport}/{league}/{game_id}": "predict",
    "/v1/predictions/batch": "predict",
    "/v1/ranking": "predict",
    "/v1/matchups/{sport}/{league}": "predict",
    "/v1/prices/{sport}/{league}/{game_id}": "predict",
    "/v1/parlays": "predict",
    "/v1/value": "predict",
    "/v1/movement/{sport}/{league}/{game_id}": "predict",
    "/v1/games": "predict",
    "/v1/models": "predict",
    "/v1/system/health": "predict",
    "/v1/admin/models/{model}/reload": "admin",
    "/v1/admin/models/{model}/rollback": "admin",
    "/v1/admin/models/{model}/promote": "admin",
    "/v2": "predict",
    "/v2/models/{model}": "predict",
    "/v2/models/{model}/ready": "predict",
    "/v2/models/{model}/infer": "predict",
    "/v2/models/{model}/versions/{version}": "predict",
    "/v2/models/{model}/versions/{version}/ready": "predict",
    "/v2/models/{model}/versions/{version}/infer": "predict",
    "/invocations": "predict",
}
"""The scope that each route requires of a key, where keys are required."""

KEY_HEADER: Final = APIKeyHeader(
    name=KEY_NAME, auto_error=False, description="`id.secret`; not required in development."
)


class GuardedRoute(APIRoute):
    """A route that checks the key before it reads anything else of the request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        respond = super().get_route_handler()
        scope = REQUIRED_SCOPES[self.path_format]

        async def guarded(request: Request) -> Response:
            caller = await service_of(request).admission.admit(request.scope, scope)
            named = request.path_params.get("guild_id")
            if named is not None and caller.guild_id is not None and named != str(caller.guild_id):
                raise ScopeError("The key is not valid for that guild.", hint="Use a key of that guild.")
            return await respond(request)

        return guarded

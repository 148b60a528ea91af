"""HEAD is answered wherever GET is (RFC 9110, 9.3.2): with the same status and headers, and without the body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """Passes HEAD on as GET and drops the body of the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        inner = {**scope, "method": "GET"}  # a copy: the server looks at its own whether to send a body

        async def sending(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        try:
            await self._app(inner, receive, sending)
        finally:
            scope.update({name: value for name, value in inner.items() if name != "method"})  # the route, for the log

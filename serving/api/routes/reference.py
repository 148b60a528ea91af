"""The API reference page and the OpenAPI document."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from serving.http.reference_page import STYLE

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def page(request: Request) -> HTMLResponse:
    """The API reference as HTML."""
    return HTMLResponse(request.app.page)


@router.get("/openapi.json")
async def description(request: Request) -> Response:
    """The OpenAPI document."""
    return Response(request.app.openapi_json, media_type="application/json")


@router.get("/docs.css")
async def style() -> Response:
    """The style sheet of the reference page."""
    return Response(STYLE, media_type="text/css")

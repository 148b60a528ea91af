"""The page that documents the API."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from serving.http.reference_page import STYLE

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def page(request: Request) -> HTMLResponse:
    """Every address with its parameters, answers and examples."""
    return HTMLResponse(request.app.page)


@router.get("/openapi.json")
async def description(request: Request) -> Response:
    """The same for programs."""
    return Response(request.app.described, media_type="application/json")


@router.get("/docs.css")
async def style() -> Response:
    """How that page looks."""
    return Response(STYLE, media_type="text/css")

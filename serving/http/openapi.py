"""The OpenAPI document: derived from the routes by the framework, with problems under their own media type."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from core.version import VERSION
from serving.http.problems import PROBLEM_JSON

TITLE: Final = "DBSBM predictions"
DESCRIPTION: Final = """Forecasts of scheduled games, from one joint distribution of both scores per game.

Games are identified by their natural key `sport/league/game_id`. Every prediction gives its model, version,
feature set, data cut-off and age. Errors are `application/problem+json` with a stable `code`.
"""
TAGS: Final = [
    {"name": "predictions", "description": "Outcome probabilities, fair odds and expected scores."},
    {"name": "games", "description": "Search for games, for autocompletion."},
    {"name": "prices", "description": "Prices and values of bets, in any market at any line and odds."},
    {"name": "models", "description": "Versions, roles and scores of the models."},
    {"name": "admin", "description": "Changes of the champion; requires the scope admin."},
    {
        "name": "open inference",
        "description": "Open Inference Protocol v2 and MLflow's scoring protocol; requests contain feature rows.",
    },
    {"name": "operations", "description": "Probes and metrics; no key required, except for `/v1/system/health`."},
]
PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}


def install_documentation(app: FastAPI) -> None:
    """Make the app build its OpenAPI document once, on the first request for it."""

    def make_description() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(
                get_openapi(title=TITLE, version=VERSION, description=DESCRIPTION, tags=TAGS, routes=app.routes)
            )
        return app.openapi_schema

    app.openapi = make_description  # type: ignore[method-assign]  # FastAPI's documented way


def _with_problems(description: dict[str, Any]) -> dict[str, Any]:
    for operations in description["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                if content.get("application/json", {}).get("schema") == PROBLEM:
                    content[PROBLEM_JSON] = content.pop("application/json")
    return description

"""Search for games, for autocompletion and drop-down menus."""

from datetime import date
from typing import Annotated

from fastapi import Query, Response

from serving.api.readiness import check_games_loaded
from serving.api.responses import LeagueQuery, as_json, guarded_router, problems
from serving.api.schemas import Games
from serving.predictions.body import game_document
from serving.service import ServiceDep

MOST_GAMES = 25
"""The number of choices in a Discord menu."""

router = guarded_router("games")


@router.get("/v1/games", response_model=Games, responses=problems(404, 422, 503), summary="Search games")
def games(
    service: ServiceDep,
    q: Annotated[
        str,
        Query(
            max_length=100,
            examples=["arsnal"],
            description="Name of a team or a part of it; typing errors are tolerated.",
        ),
    ] = "",
    league: LeagueQuery = None,
    date: Annotated[date | None, Query(examples=["2024-05-04"], description="UTC day of the start.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_GAMES)] = MOST_GAMES,
) -> Response:
    """Coming games and those of the last week: the best match first, without `q` the soonest first."""
    service.load.check("single")
    now = service.clock.now()
    selected = None if league is None else service.leagues.get(league)
    check_games_loaded(service, selected, now)
    rows = service.slate.search(q, selected, date, limit, now)
    return as_json({"games": [game_document(row, now) for row in rows]})

"""Search for games, for autocompletion and drop-downs."""

from datetime import date
from typing import Annotated

from fastapi import Query, Response

from serving.api.readiness import must_know_games
from serving.api.responses import LeagueQuery, as_json, guarded_router, problems
from serving.api.schemas import Games
from serving.predictions.body import game_document
from serving.service import ServiceDep

MOST_GAMES = 25
"""As many choices as a Discord menu holds."""

router = guarded_router("games")


@router.get("/v1/games", response_model=Games, responses=problems(404, 422, 503), summary="Search games")
def games(
    service: ServiceDep,
    q: Annotated[
        str, Query(max_length=100, examples=["arsnal"], description="Team text; typing errors are fine.")
    ] = "",
    league: LeagueQuery = None,
    date: Annotated[date | None, Query(examples=["2024-05-04"], description="UTC day of the start.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_GAMES)] = MOST_GAMES,
) -> Response:
    """Games to come and those of the last week: the best match first, without a text the soonest first."""
    service.load.check("single")
    now = service.clock.now()
    wanted = None if league is None else service.leagues.get(league)
    must_know_games(service, wanted, now)
    found = service.slate.search(q, wanted, date, limit, now)
    return as_json({"games": [game_document(row, now) for row in found]})

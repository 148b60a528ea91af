"""Forecasts of games that nobody scheduled."""

from typing import Annotated

from anyio import to_thread
from fastapi import Query, Response

from core.betting.leagues import League
from core.errors import ValidationError
from feature_store.rows.online import StoredState, load_state, matchup
from serving.api.responses import REVALIDATED, LeaguePath, SportPath, guarded_router, problems
from serving.api.schemas import Prediction
from serving.predictions.answer import Served
from serving.predictions.predictor import computed
from serving.service import Service, ServiceDep, TraceDep

router = guarded_router("predictions")

TeamQuery = Annotated[str, Query(min_length=1, max_length=150, examples=["Arsenal"])]


@router.get(
    "/v1/matchups/{sport}/{league}",
    response_model=Prediction,
    responses=problems(404, 422, 503),
    summary="Any two teams of a league",
)
async def hypothetical(
    sport: SportPath,
    league: LeaguePath,
    home: TeamQuery,
    away: TeamQuery,
    service: ServiceDep,
    trace: TraceDep,
    neutral: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Response:
    """What the model expects if these two met now. Nobody has priced such a game, so results alone speak."""
    service.load.must_bear("single")
    now = service.clock.now()
    place = service.leagues.at(sport, league)

    def forecast() -> Served:
        champion = service.champions.of_league(place)
        row = matchup(_state(service, place), place, home, away, neutral=neutral, now=now)
        if row.game.home_team == row.game.away_team:
            raise ValidationError(f"away: {row.game.home_team} cannot play itself.", field="away")
        answer = Served(computed(champion, row, begun=False), champion, row, row.as_of, "computed")
        return service.freshness.judged(answer, now)

    served = await to_thread.run_sync(forecast, limiter=service.database_threads)
    trace.note(served.level, served.generation)  # and no more: what nobody plays can be neither logged nor graded
    return Response(served.complete(now), headers=REVALIDATED, media_type="application/json")


def _state(service: Service, league: League) -> StoredState | None:
    """The league's latest state; while the database is away, the one that was published. Raises DatabaseError."""
    published = service.slate.table.states.get(league.key)
    if service.freshness.away and published is not None:
        return published
    return load_state(service.engine, league)

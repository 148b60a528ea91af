"""Forecasts of games that are not scheduled."""

from typing import Annotated

from anyio import to_thread
from fastapi import Query, Response

from core.betting.leagues import League
from core.errors import ValidationError
from feature_store.rows.online import StoredState, load_state, matchup
from serving.api.responses import REVALIDATED, LeaguePath, SportPath, guarded_router, problems
from serving.api.schemas import Prediction
from serving.games.slate_quotes import WITHOUT_PRICES
from serving.predictions.answer import Answer
from serving.predictions.plan import ForecastPlan, make_body
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
    """Prediction for two teams as if they met now. The game has no prices, so only results are used."""
    service.load.check("single")
    now = service.clock.now()
    place = service.leagues.at(sport, league)

    def forecast() -> Answer:
        champion = service.champions.for_league(place)
        row = matchup(_state(service, place), place, home, away, neutral=neutral, now=now)
        if row.game.home_team == row.game.away_team:
            raise ValidationError(f"away: {row.game.home_team} cannot play itself.", field="away")
        # The row starts now, but no game has begun; the body is not cached and needs no key.
        body = make_body(ForecastPlan(champion, row, begun=False, key=""), explained=True)
        service.staleness.check(row.as_of, now)
        answer = Answer(body, champion, row, row.as_of, "computed")
        return answer.unconfirmed() if service.staleness.database_unavailable else answer

    served = await to_thread.run_sync(forecast, limiter=service.database_threads)
    trace.record_prediction(served.level, served.generation)  # not logged: a game that is not played cannot be graded
    return Response(served.complete(now, WITHOUT_PRICES), headers=REVALIDATED, media_type="application/json")


def _state(service: Service, league: League) -> StoredState | None:
    """Return the league's latest state, or the published one without a database. Raises DatabaseError."""
    published = service.slate.table.states.get(league.key)
    if service.staleness.database_unavailable and published is not None:
        return published
    return load_state(service.engine, league)

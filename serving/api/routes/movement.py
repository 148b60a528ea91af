"""Movement of the prices of one game."""

from typing import Any, Final

from anyio import to_thread
from fastapi import Response

from core.betting.books.movement import BookMovement, PricePoint, Steam
from feature_store.archive.queries import quote_history
from feature_store.archive.sources.terms import hidden_sources
from serving.api.bet_schemas import Movement
from serving.api.responses import GameIdPath, LeaguePath, SportPath, as_json, guarded_router, problems
from serving.bets.price_history import BetMovement, movements
from serving.predictions.body import game_document, odds_document
from serving.service import ServiceDep

NO_HISTORY: Final = "No history: no source has shown a price for this game."
NO_MOVEMENT: Final = "No history: every book has shown one price so far."

router = guarded_router("prices")


@router.get(
    "/v1/movement/{sport}/{league}/{game_id:path}",
    response_model=Movement,
    responses=problems(404, 422, 503),
    summary="Show how prices have moved",
)
async def movement(sport: SportPath, league: LeaguePath, game_id: GameIdPath, service: ServiceDep) -> Response:
    """Each book's price from its opening to now, by bet, with the change of the probability.

    Steam is listed only where at least three books moved the same way within 15 minutes. The history is that of our own
    looks at the sources; `note` says where there is none.
    """
    service.load.check("batch")
    now = service.clock.now()
    place = service.leagues.at(sport, league)

    def read() -> dict[str, Any]:
        game = service.predictor.forecast(sport, league, game_id, now)
        hidden = hidden_sources(service.engine)
        recorded = quote_history(service.engine, place, game.row.game.game_id, now)
        history = [(quote, source) for quote, source in recorded if source not in hidden]
        bets = movements(history, game.forecast.scores, outcomes=place.outcomes, ties=game.champion.ties)
        moved = any(book.changes for bet in bets for book in bet.books)
        note = None if moved else (NO_MOVEMENT if bets else NO_HISTORY)
        return {"game": game_document(game.row, now), "bets": [_bet(bet) for bet in bets], "note": note}

    return as_json(await to_thread.run_sync(read, limiter=service.database_threads))


def _bet(bet: BetMovement) -> dict[str, Any]:
    return {
        "market": bet.market,
        "selection": bet.selection,
        "books": [_book(book) for book in bet.books],
        "steam": [_steam(steam) for steam in bet.steam],
    }


def _book(book: BookMovement) -> dict[str, Any]:
    return {
        "book": book.book,
        "opening": _point(book.opening),
        "latest": _point(book.latest),
        "moved": round(book.moved, 4),
        "changes": book.changes,
    }


def _point(point: PricePoint) -> dict[str, Any]:
    odds = odds_document(point.decimal)
    return {
        "at": point.at,
        "line": point.line,
        "decimal": odds["decimal"],
        "american": odds["american"],
        "chance": round(point.chance, 4),
    }


def _steam(steam: Steam) -> dict[str, Any]:
    return {"since": steam.since, "until": steam.until, "books": steam.books, "moved": round(steam.moved, 4)}

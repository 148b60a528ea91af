"""Python client of the service, for the bot, the command line and others; requires httpx alone."""

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from core.errors import ApiError, NetworkError, OperationTimeoutError

TIMEOUT_SECONDS: Final = 2.5
"""Discord waits three seconds for a response."""


class PredictionClient:
    """A connection pool to the service. Every method returns the decoded JSON document that docs/bot.md describes.

    Each raises ApiError with the service's detail, status and code, OperationTimeoutError, or NetworkError if the
    service is unreachable.
    """

    def __init__(
        self,
        base_url: str,
        api_key: SecretStr | None = None,
        timeout: float = TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if api_key is None else {"X-API-Key": api_key.get_secret_value()}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def prediction(self, sport: str, league: str, game_id: str) -> dict[str, Any]:
        """Return one game's prediction."""
        return self._get(f"/v1/predictions/{_path(sport, league, game_id)}")

    def batch(self, games: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
        """Return a ``prediction`` or a ``problem`` for each of up to a hundred (sport, league, game id), in order."""
        refs = [{"sport": sport, "league": league, "game_id": game_id} for sport, league, game_id in games]
        answer = self._request("POST", "/v1/predictions/batch", json={"games": refs})
        items: list[dict[str, Any]] = answer["items"]
        return items

    def games(
        self, text: str = "", *, league: str | None = None, day: str | None = None, limit: int = 25
    ) -> list[dict[str, Any]]:
        """Return games whose teams are spelt like the text, or the next ones; ``day`` is an ISO date."""
        answer = self._get("/v1/games", q=text, league=league, date=day, limit=limit)
        games: list[dict[str, Any]] = answer["games"]
        return games

    def matchup(self, sport: str, league: str, home: str, away: str, *, neutral: bool = False) -> dict[str, Any]:
        """Return the prediction for two teams as if they met now."""
        return self._get(f"/v1/matchups/{_path(sport, league)}", home=home, away=away, neutral=neutral)

    def price(
        self,
        game: tuple[str, str, str],
        market: str,
        selection: str,
        *,
        line: float | None = None,
        odds: float | None = None,
        book: str | None = None,
    ) -> dict[str, Any]:
        """Return price and value of one bet on a game (sport, league, game id); odds in either format.

        ``book`` offers the odds: they are judged by the prices of the other books.
        """
        query = {"market": market, "selection": selection, "line": line, "odds": odds, "book": book}
        return self._get(f"/v1/prices/{_path(*game)}", **query)

    def value(self, league: str | None = None, *, bankroll: float = 100.0, limit: int = 25) -> list[dict[str, Any]]:
        """Return the fresh prices that are worth a bet, the surest edge first; mostly none."""
        answer = self._get("/v1/value", league=league, bankroll=bankroll, limit=limit)
        items: list[dict[str, Any]] = answer["items"]
        return items

    def parlay(self, legs: Iterable[Mapping[str, Any]], bankroll: float = 100.0) -> dict[str, Any]:
        """Return price and value of legs on different games that must all win; docs/bot.md shows a leg."""
        return self._request("POST", "/v1/parlays", json={"legs": list(legs), "bankroll": bankroll})

    def movement(self, game: tuple[str, str, str]) -> dict[str, Any]:
        """Return how the prices of a game (sport, league, game id) have moved at each book."""
        return self._get(f"/v1/movement/{_path(*game)}")

    def models(self) -> list[dict[str, Any]]:
        """Return every model with its versions and the loaded generation."""
        answer = self._get("/v1/models")
        models: list[dict[str, Any]] = answer["models"]
        return models

    def _get(self, path: str, **query: str | float | bool | None) -> dict[str, Any]:
        return self._request("GET", path, params={name: value for name, value in query.items() if value is not None})

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | float | bool] | None = None,
        json: object = None,
    ) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, params=params, json=json)
        except httpx.TimeoutException as error:
            msg = f"The prediction service at {self._http.base_url} did not respond in time."
            raise OperationTimeoutError(msg, hint="Try again later.") from error
        except httpx.HTTPError as error:
            msg = f"The prediction service at {self._http.base_url} is unreachable."
            raise NetworkError(msg, hint="Start it with `dbsbm serve`, or set SERVICE_URL.") from error
        if response.status_code >= 400:
            raise _as_error(response)
        content: dict[str, Any] = response.json()
        return content


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _as_error(response: httpx.Response) -> ApiError:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    return ApiError(
        str(problem.get("detail") or f"The prediction service responded with status {response.status_code}."),
        hint=str(problem.get("hint") or ""),
        status=response.status_code,
        service_code=problem.get("code"),
        nearest=problem.get("nearest"),
        request_id=problem.get("request_id"),
    )

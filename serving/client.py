"""The service as a Python object, for the bot, the command line and anybody else who has httpx."""

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from core.errors import ApiError, NetworkError, OperationTimeoutError

TIMEOUT_SECONDS: Final = 2.5
"""Discord waits three seconds for an answer."""


class PredictionClient:
    """One connection pool to the service. Every method returns the decoded JSON document of docs/bot.md.

    Each raises ApiError with the service's own words, its status and code, OperationTimeoutError, or
    NetworkError when nobody answers.
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
        """Give the connections back."""
        self._http.close()

    def prediction(self, sport: str, league: str, game_id: str) -> dict[str, Any]:
        """One game's prediction."""
        return self._get(f"/v1/predictions/{_path(sport, league, game_id)}")

    def batch(self, games: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
        """Up to a hundred games by (sport, league, game id); per game a ``prediction`` or a ``problem``, order kept."""
        asked = [{"sport": sport, "league": league, "game_id": game_id} for sport, league, game_id in games]
        answer = self._request("POST", "/v1/predictions/batch", json={"games": asked})
        items: list[dict[str, Any]] = answer["items"]
        return items

    def games(
        self, text: str = "", *, league: str | None = None, day: str | None = None, limit: int = 25
    ) -> list[dict[str, Any]]:
        """Games whose teams are spelt like the text, or those coming next; ``day`` is an ISO date."""
        answer = self._get("/v1/games", q=text, league=league, date=day, limit=limit)
        found: list[dict[str, Any]] = answer["games"]
        return found

    def matchup(self, sport: str, league: str, home: str, away: str, *, neutral: bool = False) -> dict[str, Any]:
        """What the model expects if these two teams met now."""
        return self._get(f"/v1/matchups/{_path(sport, league)}", home=home, away=away, neutral=neutral)

    def price(
        self,
        game: tuple[str, str, str],
        market: str,
        selection: str,
        *,
        line: float | None = None,
        odds: float | None = None,
    ) -> dict[str, Any]:
        """What one bet on a game (sport, league, game id) is worth; odds in either format."""
        return self._get(f"/v1/prices/{_path(*game)}", market=market, selection=selection, line=line, odds=odds)

    def parlay(self, legs: Iterable[Mapping[str, Any]], bankroll: float = 100.0) -> dict[str, Any]:
        """What legs on different games, all of which must win, are worth together; docs/bot.md shows a leg."""
        return self._request("POST", "/v1/parlays", json={"legs": list(legs), "bankroll": bankroll})

    def models(self) -> list[dict[str, Any]]:
        """Every model with its versions and the generation that answers."""
        answer = self._get("/v1/models")
        known: list[dict[str, Any]] = answer["models"]
        return known

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
            msg = f"The prediction service at {self._http.base_url} did not answer in time."
            raise OperationTimeoutError(msg, hint="Try again in a moment.") from error
        except httpx.HTTPError as error:
            msg = f"The prediction service at {self._http.base_url} cannot be reached."
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
        str(problem.get("detail") or f"The prediction service answered {response.status_code}."),
        hint=str(problem.get("hint") or ""),
        status=response.status_code,
        service_code=problem.get("code"),
        nearest=problem.get("nearest"),
        request_id=problem.get("request_id"),
    )

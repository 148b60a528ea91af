"""``dbsbm predict``: a forecast from the running service."""

from typing import Annotated, Any

import typer

from flows.cli.output import AsJson, Output, table


def predict(
    home: str,
    away: str,
    league: Annotated[
        str | None, typer.Option("--league", "-l", help="League; required if no such game is scheduled.")
    ] = None,
    neutral: Annotated[
        bool, typer.Option("--neutral", help="Neutral venue, for a game that is not scheduled.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Forecast the next game between two teams.

    With --league also a game that is not scheduled. Asks the service at SERVICE_URL.
    """
    from flows.cli.service_requests import request_forecast
    from flows.cli.session import begin

    answer = request_forecast(begin().settings, home, away, league, neutral=neutral)
    Output(as_json=json).result(answer, _forecast_text(answer))


def _forecast_text(answer: dict[str, Any]) -> str:
    game, probabilities, expected, model = (answer[part] for part in ("game", "probabilities", "expected", "model"))
    market = answer.get("market") or {}
    sides = [side for side in ("home", "draw", "away") if probabilities.get(side) is not None]
    rows = [("forecast", *(f"{probabilities[side]:.3f}" for side in sides))]
    if any(market.get(side) for side in sides):
        rows.append(("market", *(f"{market[side]:.3f}" if market.get(side) else "-" for side in sides)))
    return "\n".join(
        (
            f"{game['home_team']} v {game['away_team']}, {game['start_at']}",
            table(("", *sides), rows),
            f"expected margin {expected['margin']:+.2f}, total {expected['total']:.2f}",
            _prices_text(answer),
            f"{model['name']} version {model['version']}, data as of {answer['as_of']}",
        )
    )


def _prices_text(answer: dict[str, Any]) -> str:
    """How old the bookmakers' prices are."""
    if answer.get("price_age_s") is None:
        return "no bookmaker's price"
    minutes = answer["price_age_s"] / 60
    books = "no fresh price" if answer["books"] == 0 else f"fresh prices of {answer['books']} books"
    return f"{books}, {minutes:,.0f} minutes old"

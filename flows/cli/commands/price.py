"""``dbsbm price``: a bet valued by the running service."""

from typing import Annotated

import typer

from flows.cli.output import AsJson, Output, flattened, table


def price(
    home: str,
    away: str,
    market: Annotated[str, typer.Option(help="moneyline, spread, total, correct_score, ...")],
    selection: Annotated[str, typer.Option(help="home, draw, away, over, under, yes, no, 2-1, ...")],
    line: Annotated[
        float | None, typer.Option(help="Line; -3.5 on the home side wins if home wins by four or more.")
    ] = None,
    odds: Annotated[float | None, typer.Option(help="Offered odds: American from 100 on, decimal below.")] = None,
    league: Annotated[
        str | None, typer.Option("--league", "-l", help="League, if the team names are ambiguous.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Value a bet on the next game between two teams.

    Asks the service at SERVICE_URL.
    """
    from flows.cli.service_requests import request_price
    from flows.cli.session import begin

    answer = request_price(
        begin().settings, home, away, league, market=market, selection=selection, line=line, odds=odds
    )
    shown = {name: value for name, value in answer.items() if name not in ("game", "model")}
    Output(as_json=json).result(answer, table(("", ""), list(flattened(shown))))

"""``dbsbm forecast``: the games of some days forecast by the champion."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.files import must_be_writable, writing
from flows.cli.output import AsJson, Output, table


def forecast(
    league: Annotated[str, typer.Option("--league", "-l", help="League to forecast.")],
    first: Annotated[str | None, typer.Option("--from", help="First day (UTC). Default: today.")] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last day (UTC). Default: two weeks after the first.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write one line per game to this CSV file.")] = None,
    json: AsJson = False,
) -> None:
    """Forecast the games of some days by the league's champion. Games it was trained on are left out and counted."""
    from datetime import timedelta

    from core.clock import midnight, parse_date
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from serving.predictions.days_forecast import forecast_days, write_forecasts

    if output is not None:
        must_be_writable(output)
    session, out = begin(), Output(as_json=json)
    start = midnight(parse_date(first, field="--from")) if first else session.now
    end = midnight(parse_date(last, field="--to") + timedelta(days=1)) if last else start + timedelta(days=14)
    with our_database(session.settings) as engine:
        forecasts = forecast_days(
            engine, session.settings, session.leagues.get(league), start=start, end=end, now=session.now
        )
    out.stage("forecast", f"{len(forecasts.games)} games by {forecasts.champion}, {forecasts.left_out} left out")
    if output is not None:
        with writing(output):
            out.line(f"      wrote {write_forecasts(forecasts, output)}")
    rows = [
        (
            f"{game.start_at:%Y-%m-%d %H:%M}",
            game.home_team,
            game.away_team,
            f"{game.p_home:.3f}",
            "" if game.p_draw is None else f"{game.p_draw:.3f}",
            f"{game.p_away:.3f}",
            f"{game.margin:+.1f}",
            f"{game.total:.1f}",
        )
        for game in forecasts.games
    ]
    header = ("start (UTC)", "home", "away", "p home", "p draw", "p away", "margin", "total")
    out.result(
        {
            "champion": forecasts.champion,
            "left_out": forecasts.left_out,
            "games": [game._asdict() for game in forecasts.games],
        },
        table(header, rows) if rows else "No games to forecast on those days.",
    )

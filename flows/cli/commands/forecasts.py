"""``dbsbm backtest`` and ``forecast``: tables and files of forecasts."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.files import must_be_writable, writing
from flows.cli.output import AsJson, Output, table
from flows.cli.scores import evaluation_text


def backtest(
    league: Annotated[str, typer.Option("--league", "-l", help="League to forecast.")],
    seasons: Annotated[str, typer.Option(help="Years in which the seasons began: 2018-2020, or 2016,2019.")],
    output: Annotated[Path | None, typer.Option(help="Write one line per game to this CSV file.")] = None,
    with_odds: Annotated[
        bool, typer.Option("--with-odds/--no-odds", help="May a forecast see its game's price?")
    ] = False,
    json: AsJson = False,
) -> None:
    """Forecast past seasons, each by models fitted on earlier ones only, beside base rate, Elo and market."""
    from flows.cli.session import begin
    from flows.jobs import our_database
    from training.evaluation.backtest import backtest as walk
    from training.evaluation.backtest import parse_seasons, write_forecasts

    if output is not None:
        must_be_writable(output)
    session, out = begin(), Output(as_json=json)
    with our_database(session.settings) as engine:
        result = walk(
            engine,
            session.leagues.get(league),
            parse_seasons(seasons),
            with_odds=with_odds,
            known_by=session.now,
            others=session.leagues,
            on_season=out.working,
        )
    out.stage("backtest", f"{result.games:,} games of {', '.join(season.block for season in result.seasons)}")
    if output is not None:
        with writing(output):
            out.line(f"      wrote {write_forecasts(result, output)}")
    said = result.evaluation.to_json()
    out.result(said | {"games": result.games, "file": output and str(output)}, evaluation_text(said))


def forecast(
    league: Annotated[str, typer.Option("--league", "-l", help="League to forecast.")],
    first: Annotated[str | None, typer.Option("--from", help="First day (UTC). Default: today.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day (UTC). Default: two weeks on.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write one line per game to this CSV file.")] = None,
    json: AsJson = False,
) -> None:
    """Forecast the games of some days by the league's champion; games it was trained on are left out and counted."""
    from datetime import timedelta

    from core.clock import midnight, parse_date
    from flows.cli.session import begin
    from flows.jobs import our_database
    from serving.predictions.batch_forecast import forecast_days, write_forecasts

    if output is not None:
        must_be_writable(output)
    session, out = begin(), Output(as_json=json)
    start = midnight(parse_date(first, field="--from")) if first else session.now
    end = midnight(parse_date(last, field="--to") + timedelta(days=1)) if last else start + timedelta(days=14)
    with our_database(session.settings) as engine:
        found = forecast_days(
            engine, session.settings, session.leagues.get(league), start=start, end=end, now=session.now
        )
    out.stage("forecast", f"{len(found.lines)} games by {found.champion}, {found.left_out} left out")
    if output is not None:
        with writing(output):
            out.line(f"      wrote {write_forecasts(found, output)}")
    rows = [
        (
            f"{line.start_at:%Y-%m-%d %H:%M}",
            line.home_team,
            line.away_team,
            f"{line.p_home:.3f}",
            "" if line.p_draw is None else f"{line.p_draw:.3f}",
            f"{line.p_away:.3f}",
            f"{line.margin:+.1f}",
            f"{line.total:.1f}",
        )
        for line in found.lines
    ]
    header = ("start (UTC)", "home", "away", "p home", "p draw", "p away", "margin", "total")
    out.result(
        {"champion": found.champion, "left_out": found.left_out, "games": [line._asdict() for line in found.lines]},
        table(header, rows) if rows else "no games to forecast between those days",
    )

"""``dbsbm backtest``: past seasons forecast by models that were fitted on earlier ones."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.files import must_be_writable, writing
from flows.cli.output import AsJson, Output
from flows.cli.scores import evaluation_text


def backtest(
    league: Annotated[str, typer.Option("--league", "-l", help="League to forecast.")],
    seasons: Annotated[str, typer.Option(help="Years in which the seasons began: 2018-2020, or 2016,2019.")],
    output: Annotated[Path | None, typer.Option(help="Write one line per game to this CSV file.")] = None,
    with_odds: Annotated[
        bool, typer.Option("--with-odds/--no-odds", help="Whether a forecast may use the prices of its own game.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Forecast past seasons by models fitted on earlier ones only.

    The scores stand beside those of base rate, Elo and market.
    """
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
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
    scores = result.evaluation.to_json()
    out.result(scores | {"games": result.games, "file": output and str(output)}, evaluation_text(scores))

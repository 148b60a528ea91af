"""``dbsbm demo``: the whole pipeline on real games."""

from typing import Annotated

import typer

from flows.cli.output import AsJson, Output


def demo(
    leave: Annotated[bool, typer.Option("--exit", help="Exit after the first forecast instead of serving.")] = False,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 selects a free one.")] = 8000,
    json: AsJson = False,
) -> None:
    """Run the whole pipeline on real games, in about a minute.

    Data, features, training, promotion, server, forecast.
    """
    from core.betting.leagues import load_leagues
    from core.clock import SystemClock
    from core.logs import configure_logs
    from flows.cli.demo import demo_settings, run_demo

    settings = demo_settings(port)
    configure_logs(settings)
    out = Output(as_json=json, stages=7)
    answer = run_demo(settings, load_leagues(None), out, now=SystemClock().now(), keep_serving=not leave)
    out.result(answer)

"""``dbsbm serve``, ``predict``, ``price`` and ``demo``."""

from typing import Annotated, Any

import typer

from flows.cli.output import AsJson, Output, flattened, table


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. Default: PORT.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")] = 1,
    as_of: Annotated[str | None, typer.Option(help="Stand still at this moment of the past (UTC).")] = None,
) -> None:
    """Serve forecasts over HTTP until stopped."""
    from serving.runtime.lean_imports import import_alone

    import_alone()
    from core.clock import FixedClock, SystemClock, parse_moment
    from flows.cli.session import begin

    settings = begin().settings
    clock = FixedClock(parse_moment(as_of, field="--as-of")) if as_of else SystemClock()
    out = Output(as_json=False)
    address: dict[str, Any] = {"host": host or settings.host, "port": settings.port if port is None else port}

    def say(url: str) -> None:
        out.line(f"serving at {url}, documentation at {url}/docs")

    if workers == 1:
        from serving.server import serve as serve_app

        serve_app(settings, clock, **address, on_ready=say)
    else:
        from serving.workers import serve_with_workers

        serve_with_workers(settings, clock, **address, workers=workers, on_ready=say)


def predict(
    home: str,
    away: str,
    league: Annotated[str | None, typer.Option("--league", "-l", help="Needed if no such game is due.")] = None,
    neutral: Annotated[
        bool, typer.Option("--neutral", help="On a neutral venue, for a game nobody scheduled.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Ask the service (SERVICE_URL) for the next game between two teams, or how they would fare if they met."""
    from flows.cli.asking import ask_for_game
    from flows.cli.session import begin

    answer = ask_for_game(begin().settings, home, away, league, neutral=neutral)
    Output(as_json=json).result(answer, _forecast_text(answer))


def price(
    home: str,
    away: str,
    market: Annotated[str, typer.Option(help="moneyline, spread, total, correct_score, ...")],
    selection: Annotated[str, typer.Option(help="home, draw, away, over, under, yes, no, 2-1, ...")],
    line: Annotated[float | None, typer.Option(help="-3.5 on the home side wins if home wins by four.")] = None,
    odds: Annotated[float | None, typer.Option(help="Offered odds: American from 100 on, decimal below.")] = None,
    league: Annotated[str | None, typer.Option("--league", "-l", help="League, if the names are not enough.")] = None,
    json: AsJson = False,
) -> None:
    """Ask the service what a bet on the next game between two teams is worth."""
    from flows.cli.asking import ask_for_price
    from flows.cli.session import begin

    answer = ask_for_price(
        begin().settings, home, away, league, market=market, selection=selection, line=line, odds=odds
    )
    told = {name: value for name, value in answer.items() if name not in ("game", "model")}
    Output(as_json=json).result(answer, table(("", ""), list(flattened(told))))


def demo(
    leave: Annotated[bool, typer.Option("--exit", help="End after the first answer instead of serving on.")] = False,
    port: Annotated[int, typer.Option(help="Port to serve on; 0 takes a free one.")] = 8000,
    json: AsJson = False,
) -> None:
    """The whole line on real games in about a minute: data, features, training, registry, promotion, server, answer."""
    from core.betting.leagues import load_leagues
    from core.clock import SystemClock
    from core.logs import configure_logs
    from flows.cli.demo import demo_settings, run_demo

    settings = demo_settings(port)
    configure_logs(settings)
    out = Output(as_json=json, stages=7)
    answer = run_demo(settings, load_leagues(None), out, now=SystemClock().now(), goes_on=not leave)
    out.result(answer)


def _forecast_text(answer: dict[str, Any]) -> str:
    game, said, expected, model = (answer[part] for part in ("game", "probabilities", "expected", "model"))
    market = answer.get("market") or {}
    sides = [side for side in ("home", "draw", "away") if said.get(side) is not None]
    rows = [("forecast", *(f"{said[side]:.3f}" for side in sides))]
    if any(market.get(side) for side in sides):
        rows.append(("market", *(f"{market[side]:.3f}" if market.get(side) else "-" for side in sides)))
    return "\n".join(
        (
            f"{game['home_team']} v {game['away_team']}, {game['start_at']}",
            table(("", *sides), rows),
            f"expected margin {expected['margin']:+.2f}, total {expected['total']:.2f}",
            f"{model['name']} version {model['version']}, data as of {answer['as_of']}",
        )
    )

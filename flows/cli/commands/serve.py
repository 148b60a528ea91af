"""``dbsbm serve``: the HTTP API."""

from typing import Annotated, Any

import typer

from flows.cli.output import Output


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. Default: PORT.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")] = 1,
    as_of: Annotated[str | None, typer.Option(help="Fix the clock at this moment of the past (UTC).")] = None,
) -> None:
    """Serve forecasts over HTTP until stopped."""
    from serving.runtime.lean_imports import import_without_companions

    import_without_companions()
    from core.clock import FixedClock, SystemClock, parse_moment
    from flows.cli.session import begin

    given = {"host": host, "port": port}
    settings = begin(**{name: value for name, value in given.items() if value is not None}).settings
    clock = FixedClock(parse_moment(as_of, field="--as-of")) if as_of else SystemClock()
    out = Output(as_json=False)
    address: dict[str, Any] = {"host": settings.host, "port": settings.port}

    def announce(url: str) -> None:
        out.line(f"serving at {url}, documentation at {url}/docs")

    if workers == 1:
        from serving.server import serve as serve_app

        serve_app(settings, clock, **address, on_ready=announce)
    else:
        from serving.workers.supervisor import serve_with_workers

        serve_with_workers(settings, clock, **address, workers=workers, on_ready=announce)

"""``dbsbm flows``: runs a flow now, or serves all of them on their schedules."""

import os
from typing import Annotated, Final

import typer

from core.errors import ConfigurationError, NetworkError, ResourceNotFoundError
from core.text.redaction import words_of
from flows.cli.output import AsJson, Output

app = typer.Typer(help="Run a Prefect flow now, or serve all flows on their schedules.", no_args_is_help=True)

SERVER_VARIABLE: Final = "PREFECT_API_URL"
SERVER_SECONDS: Final = 10.0

PREFECT_DEFAULTS: Final = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "OMP_WAIT_POLICY": "passive",
}
"""No telemetry, and two minutes for the start of a temporary server on a busy machine."""


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="snapshot, grade, build-features, train or score-upcoming")],
    league: Annotated[list[str] | None, typer.Option("--league", "-l", help="League; may be repeated.")] = None,
    json: AsJson = False,
) -> None:
    """Run one flow now. Without PREFECT_API_URL, Prefect starts a temporary server."""
    _set_prefect_defaults()
    from core.text.nearest import nearest
    from flows.deployments import FLOWS

    if name not in FLOWS:
        raise ResourceNotFoundError(f"There is no flow {name!r}.", nearest=nearest(name, FLOWS) or tuple(FLOWS))
    if address := os.environ.get(SERVER_VARIABLE):
        _check_server(address)
    result = FLOWS[name](leagues=league) if league else FLOWS[name]()
    text = "\n".join(f"{key}: {value}" for key, value in result.items())
    Output(as_json=json).result(result, text or "Done; there was nothing to do.")


@app.command()
def serve() -> None:
    """Run all flows on their schedules until stopped.

    Registers them on the Prefect server at PREFECT_API_URL.
    """
    _set_prefect_defaults()
    address = os.environ.get(SERVER_VARIABLE)
    if not address:
        msg = "PREFECT_API_URL is not set: schedules need a permanent Prefect server."
        hint = "Start one with `prefect server start`, then set PREFECT_API_URL=http://127.0.0.1:4200/api."
        raise ConfigurationError(msg, hint=hint)
    from flows.cli.session import begin
    from flows.deployments import serve_flows

    settings = begin().settings
    _check_server(address)
    serve_flows(settings)


def _check_server(address: str) -> None:
    """Raise NetworkError if no server can be reached at the address, which Prefect reports by a traceback."""
    import httpx

    try:
        httpx.get(f"{address.rstrip('/')}/health", timeout=SERVER_SECONDS)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        msg = f"The Prefect server at PREFECT_API_URL cannot be reached: {words_of(error).rstrip('.')}."
        raise NetworkError(msg, hint="Start it with `prefect server start`.") from error


def _set_prefect_defaults() -> None:
    for name, value in PREFECT_DEFAULTS.items():
        os.environ.setdefault(name, value)

"""The `dbsbm` command. Heavy libraries are imported by the commands that need them, so help comes at once."""

import sys
from typing import NoReturn

import typer

from core.errors import EXIT_FAILED, DbsbmError, exit_code
from flows.cli.commands import (
    archive,
    database,
    doctor,
    experiments,
    forecasts,
    games,
    keys,
    models,
    money,
    scheduling,
    serving,
    teams,
)

HELP = """Forecasts for a sports-betting bot: an archive of games and prices, features as of a moment, registered
models, and an API that serves them.

Exit codes: 0 done, 1 failed, 2 usage, 3 a dependency is missing or down, 4 refused by a gate.
"""

app = typer.Typer(
    help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.add_typer(database.app, name="db")
app.command()(archive.backfill)
app.command()(archive.snapshot)
app.add_typer(archive.features, name="features")
app.add_typer(teams.app, name="teams")
app.add_typer(games.app, name="games")
app.command()(models.train)
app.command()(models.promote)
app.command()(models.rollback)
app.add_typer(models.app, name="models")
app.add_typer(experiments.app, name="experiment")
app.command()(forecasts.backtest)
app.command()(forecasts.forecast)
app.command()(money.money)
app.command()(serving.serve)
app.command()(serving.predict)
app.command()(serving.price)
app.command("doctor")(doctor.run)
app.add_typer(keys.app, name="keys")
app.add_typer(scheduling.app, name="flows")
app.command()(serving.demo)


def main() -> NoReturn:
    """Run a command and leave with its exit code; a foreseen error is told in words, without a trace."""
    try:
        app(standalone_mode=True)
    except DbsbmError as error:
        _tell(f"{error.code}: {error.message}", error.hint)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        _tell("Stopped.")
        sys.exit(EXIT_FAILED)
    sys.exit(0)


def _tell(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines if line))

"""The `dbsbm` command. Commands import heavy libraries when they run, so that `--help` is quick."""

import sys
from typing import NoReturn

import typer

from core.errors import EXIT_DEPENDENCY, EXIT_FAILED, DbsbmError, exit_code
from core.text.clean_streams import clean_standard_streams
from flows.cli.commands import (
    archive,
    backfill,
    backtest,
    collect,
    db,
    demo,
    doctor,
    experiment,
    features,
    feeds,
    flows,
    forecast,
    games,
    grade,
    init,
    keys,
    models,
    money,
    predict,
    price,
    promote,
    rollback,
    serve,
    snapshot,
    spools,
    teams,
    train,
)
from flows.cli.missing_library import missing_library

HELP = """Forecasts for a sports-betting bot: an archive of games and prices, features as of a moment, registered
models, and an API that serves them.

Exit codes: 0 done, 1 failed, 2 usage, 3 a dependency is missing or down, 4 refused (promotion gate, look-ahead,
wrong clock).
"""

app = typer.Typer(
    help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.command()(init.init)
app.add_typer(db.app, name="db")
app.command()(backfill.backfill)
app.command()(snapshot.snapshot)
app.add_typer(archive.app, name="archive")
app.command()(collect.collect)
app.add_typer(feeds.app, name="feeds")
app.add_typer(features.app, name="features")
app.add_typer(teams.app, name="teams")
app.add_typer(games.app, name="games")
app.command()(train.train)
app.command()(promote.promote)
app.command()(rollback.rollback)
app.add_typer(models.app, name="models")
app.add_typer(experiment.app, name="experiment")
app.command()(backtest.backtest)
app.command()(forecast.forecast)
app.command()(grade.grade)
app.command()(money.money)
app.command()(serve.serve)
app.command()(predict.predict)
app.command()(price.price)
app.command()(doctor.doctor)
app.command()(spools.spools)
app.add_typer(keys.app, name="keys")
app.add_typer(flows.app, name="flows")
app.command()(demo.demo)


def main() -> NoReturn:
    """Run a command and exit with its code. An error of this project is printed as a message, without a traceback."""
    clean_standard_streams()
    try:
        app(standalone_mode=True)
    except DbsbmError as error:
        _print_error(f"{error.code}: {error}")
        sys.exit(exit_code(error))
    except (ImportError, OSError) as error:
        remedy = missing_library(error)
        if remedy is None:
            raise
        _print_error(remedy)
        sys.exit(EXIT_DEPENDENCY)
    except KeyboardInterrupt:
        _print_error("Stopped.")
        sys.exit(EXIT_FAILED)
    sys.exit(0)


def _print_error(text: str) -> None:
    sys.stderr.write(f"{text}\n")

"""``dbsbm experiment``: evaluates a changed recipe or feature set without registering it, and compares runs."""

from typing import Annotated

import typer

from flows.cli.output import AsJson, Output, table
from flows.cli.scores import evaluation_text

app = typer.Typer(help="Evaluate a changed recipe or feature set; compare runs.", invoke_without_command=True)

ID_SHOWN = 8


@app.callback()
def experiment(
    context: typer.Context,
    league: Annotated[str | None, typer.Option("--league", "-l", help="League to evaluate on.")] = None,
    recipe: Annotated[str, typer.Option(help="The recipe to start from: results or prices.")] = "results",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the recipe, such as leaves=15; may be repeated.")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="A feature to leave out; may be repeated.")] = None,
    added: Annotated[list[str] | None, typer.Option("--with", help="A feature to add; may be repeated.")] = None,
    accept: Annotated[
        list[str] | None, typer.Option(help="Name of a failed quality check to accept; may be repeated.")
    ] = None,
    through: Annotated[str | None, typer.Option(help="Use only facts known by the end of this day.")] = None,
    json: AsJson = False,
) -> None:
    """Evaluate a changed recipe walk-forward and log the run in MLflow under LEAGUE/experiments; register nothing."""
    if context.invoked_subcommand is not None:
        return
    from datetime import timedelta

    from core.clock import midnight, parse_date
    from core.errors import ValidationError
    from core.registry.bundles.store import bundle_store
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from training.runs.experiment import Change, parse_settings
    from training.runs.experiment import experiment as run_experiment
    from training.runs.training_run import resolve_run

    if league is None:
        raise ValidationError("--league: a league is required.", field="league")
    session, out = begin(), Output(as_json=json, stages=4)
    known_by = midnight(parse_date(through, field="through") + timedelta(days=1)) if through else None
    change = Change(parse_settings(settings or ()), tuple(without or ()), tuple(added or ()))
    with our_database(session.settings) as engine:
        store = bundle_store(session.settings)
        run = resolve_run(
            session.leagues, store, league, recipe, now=session.now, known_by=known_by, accept=accept or ()
        )
        run_id, trained = run_experiment(engine, run, change, on_stage=out.stage, on_progress=out.working)
    scores = trained.evaluation.to_json()
    text = f"{evaluation_text(scores)}\nNext: dbsbm experiment compare --league {league}"
    out.result({"run_id": run_id, "change": change.words, "recipe": trained.recipe.parameters(), **scores}, text)


@app.command()
def compare(
    league: Annotated[str, typer.Option("--league", "-l", help="League whose experiments and trainings to compare.")],
    against: Annotated[
        str | None,
        typer.Option(
            help="Reference: a run's id or its beginning. Default: the run with the lowest log loss on shared games."
        ),
    ] = None,
    variant: Annotated[str | None, typer.Option(help="Only runs of this variant: results or prices.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest runs.")] = 20,
    json: AsJson = False,
) -> None:
    """Compare runs with a reference run on shared held-out games."""
    from core.registry.tracking.client import Tracking
    from flows.cli.session import begin
    from training.runs.experiment import compare as compare_runs

    session = begin()
    comparisons = compare_runs(
        Tracking(session.settings.mlflow_tracking_uri), session.leagues.get(league), against, last, variant
    )
    rows = [
        (
            one.run.run_id[:ID_SHOWN],
            one.run.name,
            f"{one.run.metrics['model_log_loss']:.4f}",
            f"{one.run.metrics['model_calibration_error']:.3f}",
            one.shared_games,
            f"{one.difference:+.4f} ± {one.error:.4f}" if one.shared_games else "-",
        )
        for one in comparisons
    ]
    header = ("run", "what", "log loss", "ece", "games shared", "minus the reference")
    Output(as_json=json).result(
        {
            "runs": [
                {
                    "run_id": one.run.run_id,
                    "experiment": one.run.experiment,
                    "name": one.run.name,
                    "metrics": one.run.metrics,
                    "parameters": one.run.parameters,
                    "shared_games": one.shared_games,
                    "difference": one.difference if one.shared_games else None,
                    "error": one.error if one.shared_games else None,
                }
                for one in comparisons
            ]
        },
        f"{table(header, rows)}\nlower is better; ± one standard error of the paired difference",
    )

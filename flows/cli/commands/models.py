"""``dbsbm models`` and ``models card``: the registered versions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.files import must_be_writable, writing
from flows.cli.output import AsJson, Output, table

if TYPE_CHECKING:
    from core.registry.deployment import Version

app = typer.Typer(help="List the registered models, or write the card of one.", invoke_without_command=True)


@app.callback()
def list_models(context: typer.Context, json: AsJson = False) -> None:
    """List every registered version: its role, and its scores on games it has not seen."""
    if context.invoked_subcommand is not None:
        return
    from core.registry.deployment import deployments, versions
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session = begin()
    with our_database(session.settings) as engine:
        records, registered = deployments(engine), versions(engine)
    rows = []
    for item in registered:
        record = records[item.model]
        role = " ".join(
            name for name in ("champion", "challenger", "previous") if getattr(record, name) == item.version
        )
        until, basis = f"{item.trained_until:%Y-%m-%d}", item.scores.get("basis", "-")
        rows.append((item.model, item.version, role or "-", until, basis, *_losses(item)))
    header = ("model", "version", "role", "until", "basis", "games", "log loss", "base rate", "elo", "market")
    Output(as_json=json).result(
        {
            "models": {name: vars(record) for name, record in records.items()},
            "versions": [vars(item) for item in registered],
        },
        table(header, rows) if rows else "No models are registered. Train one with `dbsbm train --league NFL`.",
    )


@app.command()
def card(
    model: str,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")],
    version: Annotated[
        int | None, typer.Option(help="Version. Default: the champion, or the challenger if there is none.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Write a version's model card, one HTML page."""
    from core.registry import deployment
    from core.registry.tracking.client import Tracking
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from training.runs.run_record import CARD

    must_be_writable(output)
    session = begin()
    with our_database(session.settings) as engine:
        record = deployment.deployment(engine, model)
        shown = deployment.version(engine, model, version or record.champion or record.challenger or 0)
    page = Tracking(session.settings.mlflow_tracking_uri).document(shown.run_id, CARD)
    with writing(output):
        output.write_text(page, encoding="utf-8")
    Output(as_json=json).result(
        {"model": model, "version": shown.version, "run_id": shown.run_id, "file": str(output)},
        f"card of {model} version {shown.version}: {output}",
    )


def _losses(version: "Version") -> tuple[str, ...]:
    scores = {score["name"]: score for score in version.scores["scores"]}
    losses = [f"{scores[n]['log_loss']:.4f}" if n in scores else "-" for n in ("model", "base_rate", "elo", "market")]
    return (str(scores["model"]["games"]), *losses)

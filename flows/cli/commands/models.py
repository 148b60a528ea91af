"""``dbsbm train``, ``promote``, ``rollback``, ``models`` and ``models card``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import EXIT_REFUSED
from flows.cli.files import must_be_writable, writing
from flows.cli.output import AsJson, Output, table
from flows.cli.scores import evaluation_text

if TYPE_CHECKING:
    from core.registry.deployment import Version

app = typer.Typer(help="Every registered model, and the card of one.", invoke_without_command=True)


def train(
    league: Annotated[str, typer.Option("--league", "-l", help="League to train.")],
    through: Annotated[str | None, typer.Option(help="Use only what was known by the end of this day.")] = None,
    recipe: Annotated[str, typer.Option(help="results (no price of the game itself) or prices.")] = "results",
    accept: Annotated[
        list[str] | None, typer.Option(help="A refusal of the quality gate to accept, by its name; may be repeated.")
    ] = None,
    tune: Annotated[int, typer.Option(min=0, help="Trials by which to seek the recipe's parameters, before.")] = 0,
    json: AsJson = False,
) -> None:
    """Train a model of a league, score it on games it has not seen, and register it as challenger."""
    from datetime import timedelta

    from core.clock import midnight, parse_date
    from flows.cli.session import begin
    from flows.jobs import train_model

    session, out = begin(), Output(as_json=json, stages=6 if tune else 5)
    known_by = midnight(parse_date(through, field="through") + timedelta(days=1)) if through else None
    version = train_model(
        session.settings, session.now, league, recipe, known_by, out.stage, accept or (), tune, out.working
    )
    out.result(vars(version), f"{evaluation_text(version.scores)}\nNext: dbsbm promote {version.model}")


def promote(
    model: str,
    version: Annotated[int | None, typer.Option(help="Version to promote. Default: the challenger.")] = None,
    json: AsJson = False,
) -> None:
    """Make a challenger champion, if it passes the gate; a refusal shows its numbers and exits 4."""
    from core.registry.bundles.store import bundle_store
    from flows.cli.session import begin
    from flows.jobs import our_database
    from training.promotion.promote import promote as judge_and_promote

    session, out = begin(), Output(as_json=json)
    with our_database(session.settings) as engine:
        verdict, record, lag = judge_and_promote(
            engine, session.leagues, bundle_store(session.settings), model, version, session.now
        )
    lines = [f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.numbers}" for check in verdict.checks]
    end = f"champion of {model} is version {record.champion} (generation {record.generation})"
    lines.append(_with_lag(end, lag) if verdict.passed else f"refused: {end}, unchanged")
    checks = [vars(check) for check in verdict.checks]
    said = {"model": model, "promoted": verdict.passed, "checks": checks, **vars(record), "aliases_wait_for": lag}
    out.result(said, "\n".join(lines))
    if not verdict.passed:
        raise typer.Exit(EXIT_REFUSED)


def rollback(model: str, json: AsJson = False) -> None:
    """Give a model its previous champion back. A second time is refused until another version was promoted."""
    from flows.cli.session import begin
    from flows.jobs import our_database
    from training.promotion.promote import roll_back

    session = begin()
    with our_database(session.settings) as engine:
        record, lag = roll_back(engine, session.settings.mlflow_tracking_uri, model, session.now)
    end = f"champion of {model} is version {record.champion} again (generation {record.generation})"
    Output(as_json=json).result({**vars(record), "aliases_wait_for": lag}, _with_lag(end, lag))


def _with_lag(end: str, lag: str | None) -> str:
    """What became of the record, and of MLflow's aliases where they do not follow at once."""
    return end if lag is None else f"{end}; MLflow's aliases follow with the next train, promote or rollback: {lag}"


@app.callback()
def list_models(context: typer.Context, json: AsJson = False) -> None:
    """Every registered model: who is champion, and how each version scored on games it had not seen."""
    if context.invoked_subcommand is not None:
        return
    from core.registry.deployment import deployments, versions
    from flows.cli.session import begin
    from flows.jobs import our_database

    session = begin()
    with our_database(session.settings) as engine:
        records, known = deployments(engine), versions(engine)
    rows = []
    for item in known:
        record = records[item.model]
        role = " ".join(
            name for name in ("champion", "challenger", "previous") if getattr(record, name) == item.version
        )
        until, basis = f"{item.trained_until:%Y-%m-%d}", item.scores.get("basis", "-")
        rows.append((item.model, item.version, role or "-", until, basis, *_losses(item)))
    header = ("model", "version", "role", "until", "rests on", "games", "log loss", "base rate", "elo", "market")
    Output(as_json=json).result(
        {
            "models": {name: vars(record) for name, record in records.items()},
            "versions": [vars(item) for item in known],
        },
        table(header, rows) if rows else "no models yet; train one with `dbsbm train --league NFL`",
    )


@app.command()
def card(
    model: str,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
    version: Annotated[
        int | None, typer.Option(help="Version. Default: the champion, or the challenger if there is none.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Write a version's card: one HTML page that says what it is, how it did and what it does not know."""
    from core.registry import deployment
    from core.registry.tracking.client import Tracking
    from flows.cli.session import begin
    from flows.jobs import our_database
    from training.runs.run_record import CARD

    must_be_writable(output)
    session = begin()
    with our_database(session.settings) as engine:
        record = deployment.deployment(engine, model)
        asked = deployment.version(engine, model, version or record.champion or record.challenger or 0)
    page = Tracking(session.settings.mlflow_tracking_uri).document(asked.run_id, CARD)
    with writing(output):
        output.write_text(page, encoding="utf-8")
    said = {"model": model, "version": asked.version, "run_id": asked.run_id, "file": str(output)}
    Output(as_json=json).result(said, f"card of {model} version {asked.version}: {output}")


def _losses(version: "Version") -> tuple[str, ...]:
    scores = {score["name"]: score for score in version.scores["scores"]}
    losses = [f"{scores[n]['log_loss']:.4f}" if n in scores else "-" for n in ("model", "base_rate", "elo", "market")]
    return (str(scores["model"]["games"]), *losses)

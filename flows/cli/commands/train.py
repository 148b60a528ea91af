"""``dbsbm train``: a challenger for a league."""

from typing import Annotated

import typer

from flows.cli.output import AsJson, Output
from flows.cli.scores import evaluation_text


def train(
    league: Annotated[str, typer.Option("--league", "-l", help="League to train.")],
    through: Annotated[str | None, typer.Option(help="Use only facts known by the end of this day.")] = None,
    recipe: Annotated[str, typer.Option(help="results (without the game's own prices) or prices.")] = "results",
    accept: Annotated[
        list[str] | None, typer.Option(help="Name of a failed quality check to accept; may be repeated.")
    ] = None,
    tune: Annotated[
        int, typer.Option(min=0, help="Number of trials that search the recipe's parameters before training.")
    ] = 0,
    json: AsJson = False,
) -> None:
    """Train a model of a league and register it as challenger.

    The scores are those on games that it has not seen.
    """
    from datetime import timedelta

    from core.clock import midnight, parse_date
    from flows.cli.session import begin
    from flows.jobs.training import train_model

    session, out = begin(), Output(as_json=json, stages=6 if tune else 5)
    known_by = midnight(parse_date(through, field="through") + timedelta(days=1)) if through else None
    version = train_model(
        session.settings, session.now, league, recipe, known_by, out.stage, accept or (), tune, out.working
    )
    out.result(vars(version), f"{evaluation_text(version.scores)}\nNext: dbsbm promote {version.model}")

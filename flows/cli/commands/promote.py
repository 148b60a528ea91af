"""``dbsbm promote``: a challenger becomes champion, if the promotion gate allows it."""

from typing import Annotated

import typer

from core.errors import EXIT_REFUSED
from flows.cli.alias_lag import with_alias_lag
from flows.cli.output import AsJson, Output


def promote(
    model: str,
    version: Annotated[int | None, typer.Option(help="Version to promote. Default: the challenger.")] = None,
    json: AsJson = False,
) -> None:
    """Make a challenger the champion, if it passes the gate.

    A refusal shows its numbers and exits 4.
    """
    from core.registry.bundles.store import bundle_store
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from training.promotion.promote import promote as judge_and_promote

    session, out = begin(), Output(as_json=json)
    with our_database(session.settings) as engine:
        verdict, record, lag = judge_and_promote(
            engine, session.leagues, bundle_store(session.settings), model, version, session.now
        )
    lines = [f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.numbers}" for check in verdict.checks]
    end = f"champion of {model} is version {record.champion} (generation {record.generation})"
    lines.append(with_alias_lag(end, lag) if verdict.passed else f"refused: {end}, unchanged")
    checks = [vars(check) for check in verdict.checks]
    out.result(
        {"model": model, "promoted": verdict.passed, "checks": checks, **vars(record), "aliases_wait_for": lag},
        "\n".join(lines),
    )
    if not verdict.passed:
        raise typer.Exit(EXIT_REFUSED)

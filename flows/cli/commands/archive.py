"""``dbsbm archive``: corrections of the archive that no later fact can make."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.output import AsJson, Output, table

if TYPE_CHECKING:
    from flows.jobs.repairs.retraction import RetractionReport

app = typer.Typer(help="Corrections of the archive that no later fact can make.", no_args_is_help=True)


@app.command()
def retract(
    since: Annotated[
        str, typer.Option(metavar="MOMENT", help="Recorded then or later. By default: in the database's future.")
    ] = "",
    until: Annotated[str, typer.Option(metavar="MOMENT", help="Recorded then or earlier.")] = "",
    source: Annotated[str, typer.Option(help="Only facts of this source, such as bot.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Confirm. Without it the plan is printed.")] = False,
    json: AsJson = False,
) -> None:
    """Take back facts that were recorded by a wrong clock, or in error, with all that was made of them.

    They go to the quarantine, and the feature rows are built again. Run `dbsbm snapshot` afterwards: what the bot still
    has is recorded again.
    """
    from core.clock import parse_moment
    from flows.cli.session import begin
    from flows.jobs.repairs.retraction import plan_retraction, retract_facts, span_of

    session = begin()
    span = span_of(
        session.settings,
        parse_moment(since, field="since") if since else None,
        parse_moment(until, field="until") if until else None,
        source or None,
    )
    report = retract_facts(session.settings, span, session.now) if yes else plan_retraction(session.settings, span)
    Output(as_json=json).result(_document(report, done=yes), _text(report, done=yes))


def _document(report: "RetractionReport", *, done: bool) -> dict[str, Any]:
    return {
        "done": done,
        "since": report.span.since,
        "until": report.span.until,
        "leagues": {league: counts._asdict() for (_, league), counts in report.facts.items()},
        "people": report.people,
        "models": report.models,
    }


def _text(report: "RetractionReport", *, done: bool) -> str:
    if not report.facts and not report.people:
        return "\n".join(("Nothing was recorded in that time.", *_models(report)))
    rows = [(league, *counts) for (_, league), counts in report.facts.items()]
    end = (
        "Taken back; the feature rows are built again. Run `dbsbm snapshot` to record what the bot still has."
        if done
        else "Would be taken back; confirm with --yes. What the bot still has is recorded again by the next snapshot."
    )
    return "\n".join(
        (
            *([table(("league", "games", "results", "quotes"), rows)] if rows else []),
            f"people: {report.people} rows of consents, guilds and bets",
            *_models(report),
            end,
        )
    )


def _models(report: "RetractionReport") -> list[str]:
    if not report.models:
        return []
    return [f"trained meanwhile, and unchanged: {', '.join(report.models)}; train again, or roll back"]

"""``dbsbm feeds``: services that are asked for games, results and live prices."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import AsJson, Output, table

if TYPE_CHECKING:
    from flows.jobs.feeds import FeedCheck, FeedOutcome, FeedStatus

app = typer.Typer(help="Services that are asked for games, results and live prices.", no_args_is_help=True)

MOST_REASONS = 5
"""Items of a feed that a check names one by one."""
SHOWN = ("feed", "league", "games", "results", "quotes", "books")
NONE_CONFIGURED = "No feed is configured: FEEDS_FILE names none. See docs/feeds.md."


@app.command("list")
def list_them(json: AsJson = False) -> None:
    """List the configured feeds with their leagues, budgets and pace. Asks no service."""
    from flows.cli.session import begin
    from flows.jobs.feeds import feed_statuses

    session = begin()
    statuses = feed_statuses(session.settings, session.now)
    header = ("feed", "leagues", "calls per look", "left today", "of", "looks every", "state")
    text = table(header, list(map(_status_row, statuses))) if statuses else NONE_CONFIGURED
    Output(as_json=json).result({"feeds": [vars(status) for status in statuses]}, text)


@app.command()
def pull(
    names: Annotated[list[str] | None, typer.Argument(metavar="[FEED]...", help="Feeds to ask. Default: all.")] = None,
    json: AsJson = False,
) -> None:
    """Look once at the feeds and record what they show. Exit code 3 if a feed could not be asked."""
    from core.errors import EXIT_DEPENDENCY
    from flows.cli.session import begin
    from flows.jobs.feeds import pull_feeds

    session, out = begin(), Output(as_json=json)
    outcomes = pull_feeds(session.settings, session.now, names or (), out.working)
    header = ("feed", "games", "results", "quotes", "unchanged facts", "rejected", "calls")
    rows = [_report_row(outcome) for outcome in outcomes if outcome.report is not None]
    failures = [f"{one.name}: {one.error}" for one in outcomes if one.error is not None]
    text = "\n".join([*([table(header, rows)] if rows else []), *failures]) if outcomes else NONE_CONFIGURED
    out.result({"feeds": [_document(outcome) for outcome in outcomes]}, text)
    if failures:
        raise typer.Exit(EXIT_DEPENDENCY)


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[FEED]...", help="Feeds to ask. Default: all.")] = None,
    json: AsJson = False,
) -> None:
    """Look once at the feeds and record nothing: tries keys, leagues and forms of answers.

    Exit code 3 if a feed could not be asked, 1 if one shows nothing that could be read.
    """
    from core.errors import EXIT_DEPENDENCY
    from flows.cli.session import begin
    from flows.jobs.feeds import check_feeds

    session, out = begin(), Output(as_json=json)
    checks = check_feeds(session.settings, session.now, names or (), out.working)
    rows = [row for one in checks for row in _shown_rows(one)]
    problems = [line for one in checks for line in _problems(one)]
    text = "\n".join([*([table(SHOWN, rows)] if rows else []), *problems]) if checks else NONE_CONFIGURED
    out.result({"feeds": [_check_document(one) for one in checks]}, text)
    if any(one.error is not None for one in checks):
        raise typer.Exit(EXIT_DEPENDENCY)
    if any(one.look is not None and not one.look.facts and one.rejected for one in checks):
        raise typer.Exit(1)


def _shown_rows(check: "FeedCheck") -> list[tuple[object, ...]]:
    batches = {} if check.look is None else check.look.batches
    return [
        (
            check.name,
            league,
            len(batch.games),
            len(batch.results),
            len(batch.quotes),
            len({quote.book for quote in batch.quotes}),
        )
        for league, batch in sorted(batches.items())
    ]


def _problems(check: "FeedCheck") -> list[str]:
    if check.error is not None:
        return [f"{check.name}: {check.error}"]
    shown = [f"{check.name}: {item.place}: {item.reason}" for item in check.rejected[:MOST_REASONS]]
    left = len(check.rejected) - len(shown)
    return [*shown, f"{check.name}: {left} more items could not be read."] if left else shown


def _check_document(check: "FeedCheck") -> dict[str, object]:
    error = check.error
    return {
        "name": check.name,
        "error": None if error is None else {"code": error.code, "message": str(error)},
        "calls": 0 if check.look is None else check.look.calls,
        "leagues": [dict(zip(SHOWN[1:], row[1:], strict=True)) for row in _shown_rows(check)],
        "rejected": [{"place": item.place, "reason": item.reason} for item in check.rejected],
    }


def _status_row(status: "FeedStatus") -> tuple[object, ...]:
    state = "ready"
    if status.missing:
        state = f"{status.missing} is not set"
    elif status.paused_until is not None:
        state = f"paused until {status.paused_until:%Y-%m-%d %H:%M:%S} UTC"
    return (
        status.name,
        ", ".join(status.leagues),
        status.calls_per_look,
        status.calls_left,
        status.calls_per_day,
        f"{status.interval.total_seconds():.0f} s",
        state,
    )


def _report_row(outcome: "FeedOutcome") -> tuple[object, ...]:
    report = outcome.report
    assert report is not None  # noqa: S101 - the caller lists looks that were taken
    added = report.recorded.values()
    return (
        outcome.name,
        sum(item.games for item in added),
        sum(item.results for item in added),
        sum(item.quotes for item in added),
        sum(item.unchanged for item in added),
        report.rejected,
        report.calls,
    )


def _document(outcome: "FeedOutcome") -> dict[str, object]:
    if outcome.report is None:
        error = outcome.error
        return {"name": outcome.name, "error": None if error is None else {"code": error.code, "message": str(error)}}
    leagues = {key: vars(item) for key, item in outcome.report.recorded.items()}
    return {"name": outcome.name, **vars(outcome.report), "recorded": leagues}

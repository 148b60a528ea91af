"""``dbsbm grade``: what was served, beside how the games ended."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import AsJson, Output, table

if TYPE_CHECKING:
    from serving.monitoring.live_quality import Quality


def grade(
    by: Annotated[
        list[str] | None, typer.Option("--by", help="league, month, odds_band or lead_time; may be repeated.")
    ] = None,
    show_only: Annotated[bool, typer.Option("--show-only", help="Show the scores without grading.")] = False,
    json: AsJson = False,
) -> None:
    """Grade logged forecasts of games that have ended, and show the scores of every version.

    Each row is a version beside one yardstick, on the games that the yardstick covers. Rows of the log older than
    LOG_DAYS are deleted once they are counted. Safe to run at any time, twice or at once.
    """
    from flows.cli.session import begin
    from flows.jobs.grading import grade_log, read_live_quality

    session, out = begin(), Output(as_json=json)
    dimensions = by or []
    done = {}
    if not show_only:
        report = grade_log(session.settings, session.now, out.working)
        done = asdict(report)
        out.stage(
            "grade",
            f"{report.tallied:,} rows counted, {report.graded:,} of {report.games:,} games graded "
            f"({report.answers:,} answers), {report.pruned:,} rows pruned",
        )
    scores = read_live_quality(session.settings, dimensions)
    out.result(done | {"scores": [asdict(one) for one in scores]}, _text(scores, dimensions))


def _text(scores: "Iterable[Quality]", by: list[str]) -> str:
    header = (
        *("model", "version", "role", *by, "beside", "games", "log loss", "its", "Brier", "its", "ECE", "its", "floor"),
        *("margin", "its", "total", "its", "bets", "CLV"),
    )
    rows = [
        (
            *(one.model, one.version, "shadow" if one.shadow else "served", *one.part, one.yardstick, one.games),
            *map(_number, (one.model_log_loss, one.log_loss, one.model_brier, one.brier)),
            *map(_number, (one.model_ece, one.ece, one.ece_floor)),
            *map(_points, (one.model_margin_error, one.margin_error, one.model_total_error, one.total_error)),
            *(one.bets, _number(one.clv)),
        )
        for one in scores
    ]
    return table(header, rows) if rows else "No forecast has been graded yet."


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

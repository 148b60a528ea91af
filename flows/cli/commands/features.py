"""``dbsbm features``: builds feature rows and writes them to files; lists the features; compares training data."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.commands import features_diff, features_list
from flows.cli.files import must_be_writable, writing
from flows.cli.output import AsJson, Output, table

app = typer.Typer(help="Feature rows and the list of features.", no_args_is_help=True)
app.command("diff")(features_diff.diff)
app.command("list")(features_list.list_features)


@app.command("build")
def build(
    league: Annotated[
        list[str] | None, typer.Option("--league", "-l", help="League; may be repeated. Default: all.")
    ] = None,
    through: Annotated[str | None, typer.Option(help="As of the end of this day instead of now.")] = None,
    json: AsJson = False,
) -> None:
    """Update the feature rows of past games and of games to come.

    Games to come are in the database, past games in Parquet files (FEATURES_DIR). Only new or corrected facts are
    computed. Online rows, which the server reads, are never replaced by older ones:
    a --through before the last build is refused.
    """
    from flows.cli.session import begin
    from flows.jobs.duplicates import count_duplicate_games
    from flows.jobs.features import build_features, refuse_older_rows
    from flows.jobs.past_rows import materialize_features

    session, out = begin(), Output(as_json=json)
    moment = min(_end_of(through), session.now) if through else session.now
    if through:
        refuse_older_rows(session.settings, moment, league)
    built = build_features(session.settings, moment, league, out.working)
    out.stage("online", f"{sum(item.upcoming for item in built):,} games to come in {len(built)} leagues")
    for item in built:
        for game_id, reason in item.kept_out.items():
            out.stage("left out", f"{item.league} {game_id}: {reason}")
    past = materialize_features(session.settings, moment, league, out.working)
    out.stage(
        "offline", f"{sum(item.computed for item in past):,} rows of past games in {session.settings.features_dir}"
    )
    rows = [
        (item.league, item.played, item.upcoming, item.changed, files.rows, files.computed)
        for item, files in zip(built, past, strict=True)
    ]
    duplicates = count_duplicate_games(session.settings, moment, league)
    for key, count in duplicates.items():
        out.line(f"warning: {count:,} games of {key} have two ids; see `dbsbm games suggest --league {key}`")
    header = ("league", "games played", "to come", "rows changed", "past rows", "computed")
    out.result(
        {
            "leagues": [
                {
                    **vars(item),
                    "past_rows": files.rows,
                    "computed": files.computed,
                    "folder": str(files.folder),
                }
                for item, files in zip(built, past, strict=True)
            ],
            "told_twice": duplicates,
        },
        table(header, rows) if rows else "The archive is empty.",
    )


@app.command("rows")
def rows(
    league: Annotated[str, typer.Option("--league", "-l", help="The league.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .parquet or .csv.")],
    as_of: Annotated[
        str | None,
        typer.Option(help="Write the games to come as of this moment, such as 2020-11-01 or 2020-11-01T18:00."),
    ] = None,
    known_by: Annotated[
        str | None,
        typer.Option(help="Leave out facts that became known after this moment, corrections and scores included."),
    ] = None,
    for_others: Annotated[
        bool, typer.Option("--for-others", help="Leave out facts of feeds whose terms do not allow to pass them on.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Write a league's feature rows to a file.

    Of every past game as of its start, or with --as-of of the games to come as of a moment. A row as of a moment is
    what the server would have used then: it holds nothing that became known later.
    """
    from core.clock import parse_moment
    from flows.cli.session import begin
    from flows.jobs.past_rows import write_rows

    must_be_writable(output)
    session, out = begin(), Output(as_json=json)
    moment = parse_moment(as_of, field="as-of") if as_of else None
    limit = parse_moment(known_by, field="known-by") if known_by else session.now
    with writing(output):
        count = write_rows(session.settings, league, output, min(limit, session.now), moment, for_others=for_others)
    out.result({"rows": count, "file": str(output)}, f"{count:,} rows in {output}")


def _end_of(day: str) -> datetime:
    from datetime import timedelta

    from core.clock import midnight, parse_date

    return midnight(parse_date(day, field="through") + timedelta(days=1))

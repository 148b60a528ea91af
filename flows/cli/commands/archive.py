"""``dbsbm backfill``, ``snapshot`` and ``features``: data in, feature rows out."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.commands import feature_list, snapshots
from flows.cli.files import must_be_writable, writing
from flows.cli.output import AsJson, Output, table

features = typer.Typer(help="Feature rows and the list of features.", no_args_is_help=True)
features.command("diff")(snapshots.diff)
features.command("list")(feature_list.list_features)

League = Annotated[list[str] | None, typer.Option("--league", "-l", help="League; may be repeated. Default: all.")]


MOST_REASONS = 20
SOURCES = ("football-data", "nba", "euroleague")


def backfill(
    paths: Annotated[list[Path] | None, typer.Argument(help="CSV files or folders of them.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="TOML file that says what another layout's columns mean.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Fetch a season instead: football-data, nba or euroleague.")
    ] = None,
    league: Annotated[str | None, typer.Option("--league", "-l", help="With --source: the league.")] = None,
    season: Annotated[int | None, typer.Option(help="With --source: the year in which the season began.")] = None,
    address: Annotated[str | None, typer.Option(help="With --source: another server with the same pages.")] = None,
    json: AsJson = False,
) -> None:
    """Read CSV archives (files or folders), or a season from the network, into the archive.

    Safe to run again: what is there already adds nothing.
    """
    from feature_store.sources.csv.backfill import backfill as read_archives
    from feature_store.sources.csv.mapping import read_mapping
    from feature_store.sources.library.scores import SCORES
    from feature_store.sources.published_seasons import backfill_scores, backfill_season
    from flows.cli.session import begin
    from flows.jobs import our_database

    wanted = _season_asked(paths, mapping, source, league, season)
    session, out = begin(), Output(as_json=json)

    def on_file(path: Path, done: int, total: int) -> None:
        out.working(path.name, done, total)

    layout = read_mapping(mapping) if mapping else None
    with our_database(session.settings) as engine:
        if wanted:
            out.working(f"fetching {wanted[0]} {wanted[1]}")
            report = (
                backfill_scores(engine, session.leagues, str(source), *wanted, now=session.now, address=address)
                if source in SCORES
                else backfill_season(engine, session.leagues, *wanted, now=session.now, address=address)
            )
        else:
            report = read_archives(
                engine, session.leagues, paths or [], now=session.now, mapping=layout, on_file=on_file
            )
    rows = [
        (key, item.games, item.results, item.quotes, item.corrections, item.unchanged)
        for key, item in sorted(report.recorded.items())
    ]
    out.stage("backfill", f"{report.files} files, {report.rows:,} rows, {report.added:,} new facts")
    text = [table(("league", "games", "results", "quotes", "corrections", "unchanged"), rows)] if rows else []
    reasons = sorted(report.reasons.items(), key=lambda item: (-item[1], item[0]))
    text += [f"quarantined: {count} x {reason}" for reason, count in reasons[:MOST_REASONS]]
    text += [f"and {len(reasons) - MOST_REASONS} reasons more, in archive_quarantine"] * (len(reasons) > MOST_REASONS)
    out.result(
        {
            "files": report.files,
            "rows": report.rows,
            "added": report.added,
            "rejected": report.rejected,
            "reasons": report.reasons,
            "leagues": {key: vars(item) for key, item in report.recorded.items()},
        },
        "\n".join(text),
    )


def _season_asked(
    paths: list[Path] | None, mapping: Path | None, source: str | None, league: str | None, season: int | None
) -> tuple[str, int] | None:
    """The league and season to fetch, None where files are to be read; anything in between is a usage error."""
    if source is None and paths and league is None and season is None:
        return None
    if source is None:
        raise typer.BadParameter("name CSV files or folders, or --source with --league and --season")
    if source not in SOURCES:
        raise typer.BadParameter(f"there is no source {source!r}; there are {', '.join(SOURCES)}")
    if paths or mapping or league is None or season is None:
        raise typer.BadParameter("--source goes with --league and --season, and without files or --mapping")
    return league, season


def snapshot(
    show_schema: Annotated[bool, typer.Option(help="Only show which tables and columns the bot has.")] = False,
    erase_all: Annotated[bool, typer.Option(help="Believe an empty user_settings: erase every bet we hold.")] = False,
    json: AsJson = False,
) -> None:
    """Read the bot's games (BOT_DATABASE_URL, never written) into the archive. Safe to run every minute."""
    from flows.cli.session import begin
    from flows.jobs import take_snapshot

    session, out = begin(), Output(as_json=json)
    if show_schema:
        from core.database import open_database
        from feature_store.sources.bot.schema import read_schema

        found = read_schema(open_database(session.settings.bot_database))
        out.result(found, "\n".join(f"{name}: {', '.join(columns)}" for name, columns in sorted(found.items())))
        return
    report = take_snapshot(session.settings, session.now, erase_all=erase_all)
    rows = [
        (key, item.games, item.results, item.quotes, item.unchanged) for key, item in sorted(report.recorded.items())
    ]
    out.stage("snapshot", f"{report.read:,} rows read, {report.quarantined} quarantined")
    text = [table(("league", "games", "results", "quotes", "unchanged"), rows)] if rows else []
    text += [f"ignored, no such league configured: {name} ({count})" for name, count in sorted(report.ignored.items())]
    text += [f"ignored, pre-season: {key} ({count})" for key, count in report.preseason.items()]
    people = report.people
    text.append(
        f"people: {people.consents} consents, {people.guilds} guilds and {people.bets} bets new or changed, "
        f"{people.erased} bets erased"
    )
    text += [f"not there, so not read: {', '.join(people.not_there)}"] * bool(people.not_there)
    out.result(
        {
            "read": report.read,
            "quarantined": report.quarantined,
            "ignored": report.ignored,
            "preseason": report.preseason,
            "people": vars(people),
            "leagues": {key: vars(item) for key, item in report.recorded.items()},
        },
        "\n".join(text),
    )


@features.command("build")
def build(
    league: League = None,
    through: Annotated[str | None, typer.Option(help="As of the end of this day instead of now.")] = None,
    json: AsJson = False,
) -> None:
    """Bring feature rows up to date: of the games to come in the database, of past games as Parquet (FEATURES_DIR).

    Only what is new in the archive, or was corrected, is computed. Rows that the server answers from are never replaced
    by older ones: --through a day before the last build is refused.
    """
    from flows.cli.session import begin
    from flows.jobs import build_features, games_told_twice, materialize_features, refuse_older_rows

    session, out = begin(), Output(as_json=json)
    moment = _end_of(through) if through else session.now
    if through:
        refuse_older_rows(session.settings, moment, league)
    built = build_features(session.settings, moment, league, out.working)
    out.stage("online", f"{sum(item.upcoming for item in built):,} games to come in {len(built)} leagues")
    for item in built:
        for game_id, reason in item.kept_out.items():
            out.stage("kept out", f"{item.league} {game_id}: {reason}")
    past = materialize_features(session.settings, moment, league, out.working)
    out.stage(
        "offline", f"{sum(item.computed for item in past):,} rows of past games in {session.settings.features_dir}"
    )
    rows = [
        (item.league, item.played, item.upcoming, item.changed, files.rows, files.computed)
        for item, files in zip(built, past, strict=True)
    ]
    twice = games_told_twice(session.settings, moment, league)
    for key, count in twice.items():
        out.line(f"warning: {count:,} games of {key} are told under two ids: `dbsbm games suggest --league {key}`")
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
            "told_twice": twice,
        },
        table(header, rows) if rows else "the archive is empty",
    )


@features.command("rows")
def rows(
    league: Annotated[str, typer.Option("--league", "-l", help="The league.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write: .parquet or .csv.")],
    as_of: Annotated[
        str | None, typer.Option(help="The games to come at this moment, such as 2020-11-01 or 2020-11-01T18:00.")
    ] = None,
    known_by: Annotated[
        str | None, typer.Option(help="Leave out what became known after this moment, corrections and scores alike.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Write a league's feature rows: of every past game as of its start, or of the games to come as of a moment.

    A row as of a moment is what the server would have used then: nothing in it was known later.
    """
    from core.clock import parse_moment
    from flows.cli.session import begin
    from flows.jobs import write_rows

    must_be_writable(output)
    session, out = begin(), Output(as_json=json)
    moment = parse_moment(as_of, field="as-of") if as_of else None
    limit = parse_moment(known_by, field="known-by") if known_by else session.now
    with writing(output):
        count = write_rows(session.settings, league, output, min(limit, session.now), moment)
    out.result({"rows": count, "file": str(output)}, f"{count:,} rows in {output}")


def _end_of(day: str) -> datetime:
    from datetime import timedelta

    from core.clock import midnight, parse_date

    return midnight(parse_date(day, field="through") + timedelta(days=1))

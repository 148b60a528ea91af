"""``dbsbm backfill``: CSV archives, or a season from the network, into the archive."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import EXIT_FAILED
from flows.cli.guessed_seasons import describe_guesses
from flows.cli.output import AsJson, Output, table

if TYPE_CHECKING:
    from feature_store.sources.csv.backfill import BackfillReport
    from feature_store.sources.csv.loss import FileLoss

MOST_REASONS = 20
MOST_MOVED = 10
LIST = "list"
"""In place of a mapping: show the ready ones."""

SOURCES = ("football-data", "nba", "euroleague")


def backfill(
    paths: Annotated[list[Path] | None, typer.Argument(help="CSV files, or folders of CSV files.")] = None,
    mapping: Annotated[
        str | None,
        typer.Option(help="Another CSV layout: a ready mapping (`--mapping list` shows them) or a TOML file."),
    ] = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Exit 0 even if more than 2 % of a file's rows are quarantined.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="What the files show is known now: upcoming games with today's prices.")
    ] = False,
    source: Annotated[
        str | None, typer.Option(help="Download a season instead, from football-data, nba or euroleague.")
    ] = None,
    league: Annotated[str | None, typer.Option("--league", "-l", help="With --source: the league.")] = None,
    season: Annotated[int | None, typer.Option(help="With --source: the year in which the season began.")] = None,
    address: Annotated[str | None, typer.Option(help="With --source: another server with the same pages.")] = None,
    json: AsJson = False,
) -> None:
    """Read CSV files, or a downloaded season, into the archive.

    Safe to repeat: facts that are in the archive already are not added again. Exit 1 if a file lost much to quarantine:
    more than 2 % of its rows, or all its games, results or quotes. What could be read is in the archive all the same.

    A file without clocks counts as known when its games were played. With --live it counts as known now: use it for a
    file of upcoming games with their prices, again whenever it changes.
    """
    from feature_store.sources.csv.backfill import backfill as read_archives
    from feature_store.sources.csv.mapping import OWN_LAYOUT
    from feature_store.sources.csv.mapping_file import find_mapping
    from feature_store.sources.library.scores import SCORES
    from feature_store.sources.published_seasons import backfill_scores, backfill_season
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    if mapping == LIST and not paths and source is None:
        _list_mappings(Output(as_json=json))
        return
    download = _requested_season(paths, mapping, source, league, season)
    if download and live:
        raise typer.BadParameter("--live reads files, and excludes --source")
    session, out = begin(), Output(as_json=json)

    def on_file(path: Path, done: int, total: int) -> None:
        out.working(path.name, done, total)

    layout = find_mapping(mapping) if mapping else OWN_LAYOUT
    with our_database(session.settings) as engine:
        if download:
            out.working(f"downloading {download[0]} {download[1]}")
            report = (
                backfill_scores(engine, session.leagues, str(source), *download, now=session.now, address=address)
                if source in SCORES
                else backfill_season(engine, session.leagues, *download, now=session.now, address=address)
            )
        else:
            report = read_archives(
                engine, session.leagues, paths or [], now=session.now, mapping=layout, live=live, on_file=on_file
            )
    _show(out, report)
    if report.losses and not accept_loss:
        _show_losses(out, report.losses)
        raise typer.Exit(EXIT_FAILED)


def _list_mappings(out: Output) -> None:
    from feature_store.sources.csv.mapping_file import ready_mappings

    ready = ready_mappings()
    out.result({"mappings": ready}, table(("mapping", "reads"), list(ready.items())))


def _show(out: Output, report: "BackfillReport") -> None:
    rows = [
        (key, item.games, item.results, item.quotes, item.corrections, item.unchanged)
        for key, item in sorted(report.recorded.items())
    ]
    out.stage("backfill", f"{report.files} files, {report.rows:,} rows, {report.added:,} new facts")
    for file, encoding in report.detected.items():
        out.line(f"      {file}: no UTF-8; read as {encoding}, as detected. A mapping can declare it.")
    text = [table(("league", "games", "results", "quotes", "corrections", "unchanged"), rows)] if rows else []
    text += describe_guesses(report.guessed_seasons)
    for key, moved in sorted(report.moved.items()):
        text += [f"probably one game, listed anew: {one.game_id} is now {one.same_as}" for one in moved[:MOST_MOVED]]
        more = f"; {len(moved):,} in all" * (len(moved) > MOST_MOVED)
        text.append(f"if so, `dbsbm games link --league {key} OLD NEW` lets each count once{more}")
    reasons = sorted(report.reasons.items(), key=lambda item: (-item[1], item[0]))
    text += [f"quarantined: {count} x {reason}" for reason, count in reasons[:MOST_REASONS]]
    text += [f"and {len(reasons) - MOST_REASONS} more reasons; see archive_quarantine"] * (len(reasons) > MOST_REASONS)
    out.result(
        {
            "files": report.files,
            "rows": report.rows,
            "added": report.added,
            "rejected": report.rejected,
            "reasons": report.reasons,
            "guessed_seasons": report.guessed_seasons,
            "moved": {key: [one._asdict() for one in moved] for key, moved in report.moved.items()},
            "losses": [asdict(loss) for loss in report.losses],
            "encodings": report.detected,
            "leagues": {key: vars(item) for key, item in report.recorded.items()},
        },
        "\n".join(text),
    )


def _show_losses(out: Output, losses: "list[FileLoss]") -> None:
    for loss in losses:
        out.line(f"error: {loss}")
        for reason in loss.reasons[:MOST_REASONS]:
            out.line(f"  {reason.count:,} x {reason.fact}: {reason.reason}")
            for line in reason.lines:
                out.line(f"      {line}")
    out.line("What could be read is in the archive. Correct the file or the mapping and repeat, or add --accept-loss.")


def _requested_season(
    paths: list[Path] | None, mapping: str | None, source: str | None, league: str | None, season: int | None
) -> tuple[str, int] | None:
    """The league and season to download; None if files are to be read. Any mixture of both is a usage error."""
    if source is None and paths and league is None and season is None:
        return None
    if source is None:
        raise typer.BadParameter("give CSV files or folders, or --source with --league and --season")
    if source not in SOURCES:
        raise typer.BadParameter(f"unknown source {source!r}; the sources are {', '.join(SOURCES)}")
    if paths or mapping or league is None or season is None:
        raise typer.BadParameter("--source needs --league and --season, and excludes files and --mapping")
    return league, season

"""``dbsbm snapshot``: the bot's database into the archive."""

from typing import Annotated

import typer

from flows.cli.guessed_seasons import describe_guesses
from flows.cli.output import AsJson, Output, table


def snapshot(
    show_schema: Annotated[bool, typer.Option(help="Only show the tables and columns of the bot's database.")] = False,
    erase_all: Annotated[bool, typer.Option(help="Accept an empty user_settings: erase every archived bet.")] = False,
    json: AsJson = False,
) -> None:
    """Read the bot's games and bets into the archive.

    Only reads the bot's database (BOT_DATABASE_URL). Safe to run every minute.
    """
    from flows.cli.session import begin
    from flows.jobs.snapshot import take_snapshot

    session, out = begin(), Output(as_json=json)
    if show_schema:
        from core.database.engines import open_database
        from feature_store.sources.bot.schema import read_schema

        columns_by_table = read_schema(open_database(session.settings.bot_database))
        text = "\n".join(f"{name}: {', '.join(columns)}" for name, columns in sorted(columns_by_table.items()))
        out.result(columns_by_table, text)
        return
    report = take_snapshot(session.settings, session.now, erase_all=erase_all)
    rows = [
        (key, item.games, item.results, item.quotes, item.unchanged) for key, item in sorted(report.recorded.items())
    ]
    out.stage("snapshot", f"{report.read:,} rows read, {report.quarantined} quarantined")
    text_lines = [table(("league", "games", "results", "quotes", "unchanged"), rows)] if rows else []
    text_lines += [
        f"ignored, league not configured: {name} ({count})" for name, count in sorted(report.ignored.items())
    ]
    text_lines += [f"ignored, pre-season: {key} ({count})" for key, count in report.preseason.items()]
    text_lines += [f"ignored, exhibition: {key} ({count})" for key, count in report.exhibition.items()]
    text_lines += describe_guesses(report.guessed_seasons)
    people = report.people
    text_lines.append(
        f"people: {people.consents} consents, {people.guilds} guilds and {people.bets} bets new or changed, "
        f"{people.erased} bets erased"
    )
    text_lines += [f"tables missing in the bot's database: {', '.join(people.not_there)}"] * bool(people.not_there)
    out.result(
        {
            "read": report.read,
            "quarantined": report.quarantined,
            "ignored": report.ignored,
            "preseason": report.preseason,
            "exhibition": report.exhibition,
            "guessed_seasons": report.guessed_seasons,
            "people": vars(people),
            "leagues": {key: vars(item) for key, item in report.recorded.items()},
        },
        "\n".join(text_lines),
    )

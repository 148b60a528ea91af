"""``dbsbm features diff``: compares the data of two trainings."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import AsJson, Output, table

if TYPE_CHECKING:
    from feature_store.archive.manifests.diff import TrainingDataDiff

FIRST = 20


def diff(
    a: Annotated[str, typer.Argument(help="SHA-256 or its beginning, a model's version (NFL-results:3), or a date.")],
    b: Annotated[str, typer.Argument(help="The same, for the later data.")],
    league: Annotated[str | None, typer.Option("--league", "-l", help="League; needed for a date.")] = None,
    json: AsJson = False,
) -> None:
    """Compare the data of two trainings.

    By season, and by game if both can be read again from the archive.
    """
    from feature_store.archive.manifests.diff import compare, find_training_data
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session, out = begin(), Output(as_json=json)
    with our_database(session.settings) as engine:
        difference = compare(*(find_training_data(engine, session.leagues, name, league) for name in (a, b)))
    out.result(
        {
            "league": difference.before.league.key,
            "before": difference.before.manifest.sha256,
            "after": difference.after.manifest.sha256,
            "seasons": [asdict(season) for season in difference.seasons],
            "counts": {change: difference.count(change) for change in ("added", "removed", "changed")},
            "games": None if difference.games is None else [asdict(game) for game in difference.games],
        },
        "\n".join(_lines(difference)),
    )


def _lines(difference: "TrainingDataDiff") -> list[str]:
    before, after = difference.before.manifest.sha256, difference.after.manifest.sha256
    if before == after:
        return [f"nothing changed: both are {before[:12]}"]
    lines = [f"{difference.before.league.key}: {before[:12]} -> {after[:12]}"]
    if difference.seasons:
        rows = [(one.season or "?", one.kind, one.before, one.after) for one in difference.seasons]
        lines.append(table(("season", "facts", "before", "after"), rows))
    if difference.games is None:
        return [*lines, "The archive no longer holds the facts of one of them, so the changed games cannot be listed."]
    lines.append(", ".join(f"{difference.count(change)} games {change}" for change in ("added", "removed", "changed")))
    for game in difference.games[:FIRST]:
        lines.append(f"{game.change}  {game.game_id}  {game.meeting}")
        lines += [f"    {value}" for value in game.values]
    if len(difference.games) > FIRST:
        lines.append(f"... and {len(difference.games) - FIRST} more; --json lists all")
    return lines

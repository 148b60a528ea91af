"""``dbsbm features diff``: what changed between two training snapshots."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import AsJson, Output, table

if TYPE_CHECKING:
    from feature_store.archive.manifest_diff import TrainingDataDiff

FIRST = 20


def diff(
    a: Annotated[str, typer.Argument(help="SHA-256 or its beginning, a model's version (NFL-results:3), or a date.")],
    b: Annotated[str, typer.Argument(help="The same, for the later snapshot.")],
    league: Annotated[str | None, typer.Option("--league", "-l", help="League; needed for a date.")] = None,
    json: AsJson = False,
) -> None:
    """Name what changed between two training snapshots: seasons, and the very games where both can be read again."""
    from feature_store.archive.manifest_diff import compare, find_training_data
    from flows.cli.session import begin
    from flows.jobs import our_database

    session, out = begin(), Output(as_json=json)
    with our_database(session.settings) as engine:
        found = compare(*(find_training_data(engine, session.leagues, name, league) for name in (a, b)))
    out.result(
        {
            "league": found.before.league.key,
            "before": found.before.manifest.sha256,
            "after": found.after.manifest.sha256,
            "seasons": [asdict(season) for season in found.seasons],
            "counts": {change: found.count(change) for change in ("added", "removed", "changed")},
            "games": None if found.games is None else [asdict(game) for game in found.games],
        },
        "\n".join(_lines(found)),
    )


def _lines(found: "TrainingDataDiff") -> list[str]:
    before, after = found.before.manifest.sha256, found.after.manifest.sha256
    if before == after:
        return [f"nothing changed: both are {before[:12]}"]
    lines = [f"{found.before.league.key}: {before[:12]} -> {after[:12]}"]
    if found.seasons:
        rows = [(one.season or "?", one.kind, one.before, one.after) for one in found.seasons]
        lines.append(table(("season", "facts", "before", "after"), rows))
    if found.games is None:
        return [*lines, "The archive no longer gives the facts of one of them, so games cannot be named."]
    lines.append(", ".join(f"{found.count(change)} games {change}" for change in ("added", "removed", "changed")))
    for game in found.games[:FIRST]:
        lines.append(f"{game.change}  {game.game_id}  {game.meeting}")
        lines += [f"    {value}" for value in game.values]
    if len(found.games) > FIRST:
        lines.append(f"... and {len(found.games) - FIRST} more; --json has all of them")
    return lines

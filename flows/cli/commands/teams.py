"""``dbsbm teams``: teams and their spellings."""

from typing import Annotated

import typer

from flows.cli.output import AsJson, Output, table

app = typer.Typer(help="Teams of the archive and their spellings.", no_args_is_help=True)

League = Annotated[str, typer.Option("--league", "-l", help="League, by key, title or alias.")]


@app.command()
def suggest(league: League, json: AsJson = False) -> None:
    """List spellings in the archive that are probably one team. Merges nothing; see `dbsbm teams alias`."""
    from feature_store.identity.team_aliases import suggestions
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session = begin()
    chosen = session.leagues.get(league)
    with our_database(session.settings) as engine:
        suggested = suggestions(engine, chosen)
    rows = [(one.alias, one.team, one.likeness, one.told_twice, one.alias_games, one.team_games) for one in suggested]
    header = ("alias", "team", "likeness", "duplicate games", "games", "games of team")
    text = table(header, rows) if rows else f"No two names of {chosen.key} look like one team."
    Output(as_json=json).result({"league": chosen.key, "suggestions": [one._asdict() for one in suggested]}, text)


@app.command()
def alias(
    league: League,
    spelling: Annotated[str, typer.Argument(metavar="ALIAS", help="The spelling, exactly as the source has it.")],
    team: Annotated[str, typer.Argument(metavar="TEAM", help="The team's name in the archive.")],
    json: AsJson = False,
) -> None:
    """Record that a spelling means a team, for facts read from now on.

    Facts in the archive keep their spelling until the same files are read again, which writes corrections.
    """
    from feature_store.identity.team_aliases import record_alias
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session = begin()
    with our_database(session.settings) as engine:
        chosen = session.leagues.get(league)
        new = record_alias(engine, chosen, spelling, team, source="command line", now=session.now)
    text = f"{spelling!r} means {team!r} in {chosen.key}" + ("" if new else ", as recorded before")
    Output(as_json=json).result({"league": chosen.key, "alias": spelling, "team": team, "new": new}, text)


@app.command()
def forget(
    league: League,
    spelling: Annotated[str, typer.Argument(metavar="ALIAS", help="The spelling whose alias to remove.")],
    json: AsJson = False,
) -> None:
    """Remove an alias, for good: no rule makes it again. Facts read from now on keep the spelling."""
    from feature_store.identity.team_aliases import forget_alias
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session = begin()
    with our_database(session.settings) as engine:
        chosen = session.leagues.get(league)
        forget_alias(engine, chosen, spelling, source="command line", now=session.now)
    Output(as_json=json).result({"league": chosen.key, "forgotten": spelling}, f"alias {spelling!r} removed")


@app.command("list")
def list_them(
    league: Annotated[str | None, typer.Option("--league", "-l", help="One league. Default: all.")] = None,
    json: AsJson = False,
) -> None:
    """List every team of the archive with its games and aliases; those of the matching rule are marked *."""
    from feature_store.identity.matched_games import MATCHER
    from feature_store.identity.team_aliases import clubs, list_aliases
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from flows.jobs.leagues import archived_leagues

    session = begin()
    with our_database(session.settings) as engine:
        chosen = archived_leagues(engine, session.leagues, [league] if league else None)
        teams = [club for one in chosen for club in clubs(engine, one)]
        decided = [alias for one in chosen for alias in list_aliases(engine, one)]
    matched = {(alias.league, alias.alias) for alias in decided if alias.source == MATCHER}
    rows = [
        (club.league, club.team, club.games,
         ", ".join(f"{name}*" if (club.league, name) in matched else name for name in club.aliases))
        for club in teams
    ]  # fmt: skip
    text = table(("league", "team", "games", "aliases"), rows) if rows else "The archive is empty."
    decisions = [alias._asdict() for alias in decided]
    Output(as_json=json).result({"teams": [club._asdict() for club in teams], "aliases": decisions}, text)

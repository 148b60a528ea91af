"""``dbsbm teams``: spellings of clubs."""

from typing import Annotated

import typer

from flows.cli.output import AsJson, Output, table

app = typer.Typer(help="Clubs of the archive and the spellings that lead to them.", no_args_is_help=True)

League = Annotated[str, typer.Option("--league", "-l", help="League, by key, title or alias.")]


@app.command()
def suggest(league: League, json: AsJson = False) -> None:
    """Spellings in the archive that are likely one club. Nothing is merged: `dbsbm teams alias` decides."""
    from feature_store.identity.team_aliases import suggestions
    from flows.cli.session import begin
    from flows.jobs import our_database

    session = begin()
    with our_database(session.settings) as engine:
        key = session.leagues.get(league).key
        found = suggestions(engine, session.leagues.get(league))
    rows = [(one.alias, one.team, one.likeness, one.told_twice, one.alias_games, one.team_games) for one in found]
    header = ("alias", "team", "likeness", "games told twice", "games", "games of team")
    text = table(header, rows) if rows else f"no two names of {key} look like one club"
    Output(as_json=json).result({"league": key, "suggestions": [one._asdict() for one in found]}, text)


@app.command()
def alias(
    league: League,
    spelling: Annotated[str, typer.Argument(metavar="ALIAS", help="As a source spells it, to the letter.")],
    team: Annotated[str, typer.Argument(metavar="TEAM", help="The club's name in the archive.")],
    json: AsJson = False,
) -> None:
    """Decide that a spelling means a club, for facts read from now on.

    Facts archived before keep their spelling until the same files are read again, which writes corrections.
    """
    from feature_store.identity.team_aliases import record_alias
    from flows.cli.session import begin
    from flows.jobs import our_database

    session = begin()
    with our_database(session.settings) as engine:
        found = session.leagues.get(league)
        new = record_alias(engine, found, spelling, team, source="command line", now=session.now)
    text = f"{spelling!r} means {team!r} in {found.key}" + ("" if new else ", as decided before")
    Output(as_json=json).result({"league": found.key, "alias": spelling, "team": team, "new": new}, text)


@app.command()
def forget(
    league: League,
    spelling: Annotated[str, typer.Argument(metavar="ALIAS", help="The spelling to take back.")],
    json: AsJson = False,
) -> None:
    """Take an alias back: facts read from now on keep the spelling."""
    from feature_store.identity.team_aliases import forget_alias
    from flows.cli.session import begin
    from flows.jobs import our_database

    session = begin()
    with our_database(session.settings) as engine:
        found = session.leagues.get(league)
        forget_alias(engine, found, spelling)
    Output(as_json=json).result({"league": found.key, "forgotten": spelling}, f"{spelling!r} stands for itself again")


@app.command("list")
def list_them(
    league: Annotated[str | None, typer.Option("--league", "-l", help="One league. Default: all.")] = None,
    json: AsJson = False,
) -> None:
    """Every club of the archive with its games and the spellings that lead to it."""
    from feature_store.identity.team_aliases import clubs
    from flows.cli.session import begin
    from flows.jobs import archived_leagues, our_database

    session = begin()
    with our_database(session.settings) as engine:
        wanted = archived_leagues(engine, session.leagues, [league] if league else None)
        found = [club for one in wanted for club in clubs(engine, one)]
    rows = [(club.league, club.team, club.games, ", ".join(club.aliases)) for club in found]
    text = table(("league", "team", "games", "aliases"), rows) if rows else "the archive is empty"
    Output(as_json=json).result({"teams": [club._asdict() for club in found]}, text)

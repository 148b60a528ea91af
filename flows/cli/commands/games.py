"""``dbsbm games``: ids of different sources that are one game."""

from typing import Annotated

import typer

from flows.cli.output import AsJson, Output, table

app = typer.Typer(help="Find and link ids of different sources that are one game.", no_args_is_help=True)

League = Annotated[str, typer.Option("--league", "-l", help="League, by key, title or alias.")]
LINK_SOURCE = "command line"


@app.command()
def suggest(league: League, json: AsJson = False) -> None:
    """List pairs of ids that are probably one game. Merges nothing; see `dbsbm games link`."""
    from feature_store.identity.duplicate_games import find_duplicates
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session = begin()
    chosen = session.leagues.get(league)
    with our_database(session.settings) as engine:
        pairs = find_duplicates(engine, chosen, session.now)
    rows = [
        (one.game_id, one.same_as, f"{one.home_team} v {one.away_team}", f"{one.start_at:%Y-%m-%d}", one.sources)
        for one in pairs
    ]
    header = ("id", "same as", "game", "day", "sources")
    text = table(header, rows) if rows else f"No game of {chosen.key} has two ids."
    Output(as_json=json).result({"league": chosen.key, "suggestions": [one._asdict() for one in pairs]}, text)


@app.command()
def link(
    league: League,
    game_id: Annotated[str, typer.Argument(metavar="ID", help="The id whose facts belong to another id.")],
    same_as: Annotated[
        str, typer.Argument(metavar="SAME_AS", help="The id that gets the facts: the bot's id, if there is one.")
    ],
    json: AsJson = False,
) -> None:
    """Record that two ids are one game: facts of ID count for SAME_AS. Run `dbsbm features build` afterwards."""
    from feature_store.identity.linking import link_games
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session = begin()
    with our_database(session.settings) as engine:
        chosen = session.leagues.get(league)
        new = link_games(engine, chosen, game_id, same_as, source=LINK_SOURCE, now=session.now)
    text = f"{game_id} counts as {same_as} in {chosen.key}" + ("" if new else ", as recorded before")
    Output(as_json=json).result({"league": chosen.key, "game_id": game_id, "same_as": same_as, "new": new}, text)


@app.command()
def unlink(
    league: League,
    game_id: Annotated[str, typer.Argument(metavar="ID", help="The linked id.")],
    json: AsJson = False,
) -> None:
    """Remove a link: the two ids are two games again."""
    from feature_store.identity.linking import unlink_game
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session = begin()
    with our_database(session.settings) as engine:
        chosen = session.leagues.get(league)
        unlink_game(engine, chosen, game_id, source=LINK_SOURCE, now=session.now)
    Output(as_json=json).result({"league": chosen.key, "unlinked": game_id}, f"{game_id} is a separate game again")


@app.command("list")
def list_them(
    league: Annotated[str | None, typer.Option("--league", "-l", help="One league. Default: all.")] = None,
    json: AsJson = False,
) -> None:
    """List every link."""
    from feature_store.identity.linking import list_links
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from flows.jobs.leagues import archived_leagues

    session = begin()
    with our_database(session.settings) as engine:
        chosen = archived_leagues(engine, session.leagues, [league] if league else None)
        links = [link for each in chosen for link in list_links(engine, each)]
    text = table(("league", "id", "same as"), links) if links else "No games are linked."
    Output(as_json=json).result({"links": [link._asdict() for link in links]}, text)

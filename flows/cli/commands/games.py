"""``dbsbm games``: which ids are one game."""

from typing import Annotated

import typer

from flows.cli.output import AsJson, Output, table

app = typer.Typer(help="Games that two sources tell under two ids, and what was decided of them.", no_args_is_help=True)

League = Annotated[str, typer.Option("--league", "-l", help="League, by key, title or alias.")]
BY_HAND = "command line"


@app.command()
def suggest(league: League, json: AsJson = False) -> None:
    """Pairs of ids that are likely one game. Nothing is merged: `dbsbm games link` decides."""
    from feature_store.identity.duplicate_games import find_duplicates
    from flows.cli.session import begin
    from flows.jobs import our_database

    session = begin()
    found_league = session.leagues.get(league)
    with our_database(session.settings) as engine:
        found = find_duplicates(engine, found_league, session.now)
    rows = [
        (one.game_id, one.same_as, f"{one.home_team} v {one.away_team}", f"{one.start_at:%Y-%m-%d}", one.sources)
        for one in found
    ]
    header = ("id", "same as", "game", "day", "told by")
    text = table(header, rows) if rows else f"no game of {found_league.key} is told under two ids"
    Output(as_json=json).result({"league": found_league.key, "suggestions": [one._asdict() for one in found]}, text)


@app.command()
def link(
    league: League,
    game_id: Annotated[str, typer.Argument(metavar="ID", help="The id whose facts are another game's, too.")],
    same_as: Annotated[
        str, typer.Argument(metavar="SAME_AS", help="The id to tell them under: the bot's, if it has one.")
    ],
    json: AsJson = False,
) -> None:
    """Decide that two ids are one game: facts of ID are told under SAME_AS. Run `dbsbm features build` afterwards."""
    from feature_store.identity.linking import link_games
    from flows.cli.session import begin
    from flows.jobs import our_database

    session = begin()
    with our_database(session.settings) as engine:
        found = session.leagues.get(league)
        new = link_games(engine, found, game_id, same_as, source=BY_HAND, now=session.now)
    text = f"{game_id} is told as {same_as} in {found.key}" + ("" if new else ", as decided before")
    Output(as_json=json).result({"league": found.key, "game_id": game_id, "same_as": same_as, "new": new}, text)


@app.command()
def unlink(
    league: League,
    game_id: Annotated[str, typer.Argument(metavar="ID", help="The linked id.")],
    json: AsJson = False,
) -> None:
    """Take a link back: the two are two games again."""
    from feature_store.identity.linking import unlink_game
    from flows.cli.session import begin
    from flows.jobs import our_database

    session = begin()
    with our_database(session.settings) as engine:
        found = session.leagues.get(league)
        unlink_game(engine, found, game_id, source=BY_HAND, now=session.now)
    Output(as_json=json).result({"league": found.key, "unlinked": game_id}, f"{game_id} is a game of its own again")


@app.command("list")
def list_them(
    league: Annotated[str | None, typer.Option("--league", "-l", help="One league. Default: all.")] = None,
    json: AsJson = False,
) -> None:
    """Every link that stands."""
    from feature_store.identity.linking import list_links
    from flows.cli.session import begin
    from flows.jobs import archived_leagues, our_database

    session = begin()
    with our_database(session.settings) as engine:
        wanted = archived_leagues(engine, session.leagues, [league] if league else None)
        found = [one for each in wanted for one in list_links(engine, each)]
    text = table(("league", "id", "same as"), found) if found else "no games are linked"
    Output(as_json=json).result({"links": [one._asdict() for one in found]}, text)

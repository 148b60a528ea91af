"""``dbsbm games``: ids of different sources that are one game."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import AsJson, Output, table

if TYPE_CHECKING:
    from feature_store.identity.duplicate_games import DuplicatePair
    from feature_store.identity.matched_games import MatchSuggestion

app = typer.Typer(help="Find and link ids of different sources that are one game.", no_args_is_help=True)

League = Annotated[str, typer.Option("--league", "-l", help="League, by key, title or alias.")]
LINK_SOURCE = "command line"


@app.command()
def suggest(league: League, json: AsJson = False) -> None:
    """List pairs of ids that are probably one game. Merges nothing; see `dbsbm games link` and `separate`."""
    from feature_store.identity.duplicate_games import find_duplicates
    from feature_store.identity.matched_games import suggest_matches
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session = begin()
    chosen = session.leagues.get(league)
    with our_database(session.settings) as engine:
        matches = suggest_matches(engine, chosen, session.now)
        pairs = find_duplicates(engine, chosen, session.now)
    suggested = {frozenset((one.game_id, one.same_as)) for one in matches}
    older = [one for one in pairs if frozenset((one.game_id, one.same_as)) not in suggested]
    rows = [(*_cells(one), "", "") for one in older] + [(*_cells(one), one.score, one.note) for one in matches]
    header = ("id", "same as", "game", "day", "sources", "score", "note")
    text = table(header, rows) if rows else f"No game of {chosen.key} has two ids."
    suggestions = [*(one._asdict() for one in older), *(one._asdict() for one in matches)]
    Output(as_json=json).result({"league": chosen.key, "suggestions": suggestions}, text)


def _cells(pair: "DuplicatePair | MatchSuggestion") -> tuple[str, ...]:
    day = f"{pair.start_at:%Y-%m-%d}"
    return (pair.game_id, pair.same_as, f"{pair.home_team} v {pair.away_team}", day, pair.sources)


@app.command()
def match(
    league: Annotated[str | None, typer.Option("--league", "-l", help="One league. Default: all.")] = None,
    json: AsJson = False,
) -> None:
    """Link ids of several sources that are one game for sure, as `dbsbm collect` does after each look."""
    from flows.cli.session import begin
    from flows.jobs.matching import match_games

    session = begin()
    matches = match_games(session.settings, session.now, [league] if league else None)
    rows = [(one.league, len(one.links), len(one.aliases), one.doubtful) for one in matches]
    text = table(("league", "links", "aliases", "doubtful"), rows) if rows else "The archive is empty."
    body = [
        {
            "league": one.league,
            "links": [link._asdict() for link in one.links],
            "aliases": [alias._asdict() for alias in one.aliases],
            "doubtful": one.doubtful,
        }
        for one in matches
    ]
    Output(as_json=json).result({"leagues": body}, text)


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
    """Remove a link, for good: the two ids are two games again, and no rule links them."""
    from feature_store.identity.linking import unlink_game
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session = begin()
    with our_database(session.settings) as engine:
        chosen = session.leagues.get(league)
        unlink_game(engine, chosen, game_id, source=LINK_SOURCE, now=session.now)
    Output(as_json=json).result({"league": chosen.key, "unlinked": game_id}, f"{game_id} is a separate game again")


@app.command()
def separate(
    league: League,
    game_id: Annotated[str, typer.Argument(metavar="ID", help="An id of a suggested pair.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The other id of the pair.")],
    json: AsJson = False,
) -> None:
    """Record that two ids are two games: they are not suggested any more, and both are served."""
    from feature_store.identity.linking import separate_games
    from flows.cli.session import begin
    from flows.jobs.databases import our_database

    session = begin()
    with our_database(session.settings) as engine:
        chosen = session.leagues.get(league)
        new = separate_games(engine, chosen, game_id, other, source=LINK_SOURCE, now=session.now)
    text = f"{game_id} and {other} are two games of {chosen.key}" + ("" if new else ", as recorded before")
    Output(as_json=json).result({"league": chosen.key, "game_id": game_id, "other": other, "new": new}, text)


@app.command("list")
def list_them(
    league: Annotated[str | None, typer.Option("--league", "-l", help="One league. Default: all.")] = None,
    json: AsJson = False,
) -> None:
    """List every link, with who or what decided it."""
    from feature_store.identity.linking import list_links
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from flows.jobs.leagues import archived_leagues

    session = begin()
    with our_database(session.settings) as engine:
        chosen = archived_leagues(engine, session.leagues, [league] if league else None)
        links = [link for each in chosen for link in list_links(engine, each)]
    rows = [
        (
            one.league,
            one.game_id,
            one.same_as,
            one.source,
            one.score or "",
            one.rule or "",
            f"{one.recorded_at:%Y-%m-%d %H:%M}",
        )
        for one in links
    ]
    header = ("league", "id", "same as", "by", "score", "rule", "decided")
    text = table(header, rows) if rows else "No games are linked."
    Output(as_json=json).result({"links": [link._asdict() for link in links]}, text)

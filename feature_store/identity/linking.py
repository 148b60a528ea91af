"""Decisions that two ids are one game, made and taken back: each is a further row and a new revision of the archive."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database.transactions import reading, writing
from core.errors import ConflictError, ResourceNotFoundError, ValidationError
from core.text.nearest import nearest
from feature_store.archive.change_log import note_all_facts
from feature_store.archive.game_links import Links, links_of, record_link
from feature_store.archive.queries import latest_game
from feature_store.identity.moved_games import WINDOWS
from feature_store.identity.team_aliases import Aliases, load_aliases


class Link(NamedTuple):
    """A game's id, and the id under which its facts are read."""

    league: str
    game_id: str
    same_as: str


class _Meeting(NamedTuple):
    home_team: str
    away_team: str
    start_at: datetime


def list_links(engine: Engine, league: League) -> list[Link]:
    """The league's links in force, by id."""
    with reading(engine) as connection:
        links = links_of(connection, league.sport, league.key)
    return [Link(league.key, *pair) for pair in sorted(links.items())]


def link_games(engine: Engine, league: League, game_id: str, same_as: str, *, source: str, now: datetime) -> bool:
    """Decide that the facts of ``game_id`` are those of ``same_as``; returns False if that was decided before.

    Raises ResourceNotFoundError for an id that the league's archive lacks; ValidationError for the same id twice;
    ConflictError when the first is linked elsewhere, when a chain of links would begin or end, and when the two
    differ in clubs or begin more than a month apart. Of a game that was listed for another time or the other home
    side than ``same_as``, no fact counts any more.
    """
    if game_id == same_as:
        raise ValidationError(f"SAME_AS: {game_id!r} is the game itself.", field="SAME_AS")
    aliases = load_aliases(engine)
    with writing(engine, alone=f"archive {league.key}") as connection:
        links = links_of(connection, league.sport, league.key)
        if links.get(game_id) == same_as:
            return False
        one, other = (_meeting(connection, league, aliases, name) for name in (game_id, same_as))
        _refuse_conflict(league, game_id, same_as, links)
        if {*one[:2]} != {*other[:2]} or abs(one.start_at - other.start_at) > WINDOWS[0]:
            msg = f"Different games: {_words(one)} and {_words(other)}."
            raise ConflictError(
                msg, hint="`dbsbm games suggest` shows likely pairs; a club with two spellings needs an alias."
            )
        record_link(connection, league, game_id, same_as, source=source, now=now)
        note_all_facts(connection, league, (game_id, same_as))
    return True


def unlink_game(engine: Engine, league: League, game_id: str, *, source: str, now: datetime) -> None:
    """Take a link back: the two ids are two games again. Raises ResourceNotFoundError with the nearest linked ids."""
    with writing(engine, alone=f"archive {league.key}") as connection:
        links = links_of(connection, league.sport, league.key)
        if game_id not in links:
            msg = f"{league.key} has no link of game {game_id!r}."
            raise ResourceNotFoundError(msg, nearest=nearest(game_id, links), resource_type="link")
        # Noted while the two are still one game, so that both are built again.
        note_all_facts(connection, league, (game_id, links[game_id]))
        record_link(connection, league, game_id, None, source=source, now=now)


def _refuse_conflict(league: League, game_id: str, same_as: str, links: Links) -> None:
    if game_id in links:
        msg = f"{game_id} is already linked to {links[game_id]} in {league.key}."
        raise ConflictError(msg, hint=f"Undo with `dbsbm games unlink --league {league.key} {game_id}`.")
    if same_as in links:
        msg = f"{same_as} is itself linked to {links[same_as]} in {league.key}."
        raise ConflictError(msg, hint="Link to that game instead.")
    others = [other for other, target in links.items() if target == game_id]
    if others:
        msg = f"{', '.join(others)} is linked to {game_id} in {league.key}."
        raise ConflictError(msg, hint="Unlink that first, or link in the other direction.")


def _meeting(connection: Connection, league: League, aliases: Aliases, game_id: str) -> _Meeting:
    """Who meets whom and when, as last known."""
    game = latest_game(connection, league, game_id)
    if game is None:
        raise ResourceNotFoundError(f"{league.key} has no game {game_id!r}.", resource_type="game")
    return _Meeting(aliases.team(league, game.home_team), aliases.team(league, game.away_team), game.start_at)


def _words(meeting: _Meeting) -> str:
    return f"{meeting.home_team} v {meeting.away_team} on {meeting.start_at:%Y-%m-%d %H:%M}"

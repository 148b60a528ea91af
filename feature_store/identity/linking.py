"""Decisions that two ids are one game, made and taken back: each is a further row and a new revision of the archive."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database.transactions import reading, writing
from core.errors import ConflictError, ResourceNotFoundError, ValidationError
from core.text.nearest import nearest
from feature_store.archive import tables
from feature_store.archive.change_log import note_all_facts
from feature_store.archive.game_links import LinkDecision, Links, links_of, record_decisions, separated_games
from feature_store.archive.queries import latest_game
from feature_store.identity.moved_games import WINDOWS
from feature_store.identity.team_aliases import Aliases, load_aliases


class Link(NamedTuple):
    """A game's id, the id under which its facts are read, who decided that and when; by a rule, how surely."""

    league: str
    game_id: str
    same_as: str
    source: str
    score: float | None
    rule: str | None
    recorded_at: datetime


class _Meeting(NamedTuple):
    home_team: str
    away_team: str
    start_at: datetime


def list_links(engine: Engine, league: League) -> list[Link]:
    """The league's links in force, by id."""
    held = tables.game_links.c
    query = (
        sa.select(*(held[name] for name in Link._fields))
        .where(held.sport == league.sport, held.league == league.key)
        .order_by(held.game_id, held.recorded_at)
    )
    with reading(engine) as connection:
        latest = {row.game_id: Link._make(row) for row in connection.execute(query)}
    return [link for link in latest.values() if link.same_as is not None]


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
        record_decisions(connection, league, [LinkDecision(game_id, same_as, source)], now=now)
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
        record_decisions(connection, league, [LinkDecision(game_id, None, source, links[game_id])], now=now)


def separate_games(engine: Engine, league: League, game_id: str, other: str, *, source: str, now: datetime) -> bool:
    """Decide that two ids are two games, so that no rule links or suggests them; returns False if that was decided.

    Raises ResourceNotFoundError for an id that the league's archive lacks, ValidationError for the same id twice,
    ConflictError while the two are linked.
    """
    if game_id == other:
        raise ValidationError(f"OTHER: {other!r} is the game itself.", field="OTHER")
    with writing(engine, alone=f"archive {league.key}") as connection:
        links = links_of(connection, league.sport, league.key)
        for name in (game_id, other):
            if latest_game(connection, league, name) is None:
                raise ResourceNotFoundError(f"{league.key} has no game {name!r}.", resource_type="game")
        if links.get(game_id, game_id) == links.get(other, other):
            linked = game_id if game_id in links else other
            msg = f"{game_id} and {other} are linked in {league.key}."
            raise ConflictError(msg, hint=f"Undo with `dbsbm games unlink --league {league.key} {linked}`.")
        if frozenset((game_id, other)) in separated_games(connection, league):
            return False
        decision = LinkDecision(game_id, links.get(game_id), source, other)
        record_decisions(connection, league, [decision], now=now)
    return True


def link_by_rule(
    engine: Engine, league: League, proposed: Sequence[LinkDecision], *, now: datetime
) -> list[LinkDecision]:
    """Link ids as a rule proposes, as far as no decision of a person stands against it; returns the links made.

    Ids that are linked to a proposed id follow it. Left out is what would join two ids that a person has kept apart,
    and what another run has changed meanwhile.
    """
    with writing(engine, alone=f"archive {league.key}") as connection:
        links = links_of(connection, league.sport, league.key)
        apart = separated_games(connection, league)
        made: list[LinkDecision] = []
        joined = {same_as: {same_as, *links.linked_to.get(same_as, ())} for _, same_as, *_ in proposed if same_as}
        for one in proposed:
            if one.same_as is None or one.game_id in links or one.same_as in links:
                continue
            moving = {one.game_id, *links.linked_to.get(one.game_id, ())}
            if any(frozenset((first, second)) in apart for first in moving for second in joined[one.same_as]):
                continue
            joined[one.same_as] |= moving
            made += [one._replace(game_id=game_id) for game_id in sorted(moving)]
        if made:
            record_decisions(connection, league, made, now=now)
            note_all_facts(
                connection, league, {game_id for one in made for game_id in (one.game_id, one.same_as or "")}
            )
    return made


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

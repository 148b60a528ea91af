"""Spellings of clubs, as people or the matching rule have decided: names of every source are looked up here when read.

An alias applies to facts read from then on. Facts archived before stay as they are, under the old spelling; reading
the same files again (`dbsbm backfill`) writes corrections under the new one, known from that moment on, so that rows as
of an earlier day still show what was known then.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database.transactions import reading, writing
from core.database.upserts import insert_new
from core.errors import ConflictError, ResourceNotFoundError, ValidationError
from core.text.identifiers import fault_of
from core.text.nearest import nearest
from feature_store.archive.facts import GameFact
from feature_store.archive.queries import latest_games
from feature_store.identity import tables
from feature_store.identity.spelling_variants import Suggestion, TeamSchedules

LONGEST_NAME: Final = 150


class Alias(NamedTuple):
    """A spelling, the club it stands for, who decided that and when; by a rule, how surely."""

    league: str
    alias: str
    team: str
    source: str
    recorded_at: datetime
    score: float | None = None
    rule: str | None = None


class Club(NamedTuple):
    """A name in the archive with its games, and the spellings that lead to it."""

    league: str
    team: str
    games: int
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class Aliases:
    """Which club each spelling stands for, by league key."""

    names: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def team(self, league: League, name: str) -> str:
        """The club that a source means: the name itself unless it is an alias. Spellings are compared to the letter."""
        return self.names.get((league.key, name), name)


NO_ALIASES: Final = Aliases()


def load_aliases(engine: Engine) -> Aliases:
    """Every alias of every league."""
    return Aliases({(one.league, one.alias): one.team for one in list_aliases(engine)})


def list_aliases(engine: Engine, league: League | None = None) -> list[Alias]:
    """The aliases of a league, or of all, by league and spelling."""
    with reading(engine) as connection:
        return _aliases(connection, league)


def record_alias(engine: Engine, league: League, alias: str, team: str, *, source: str, now: datetime) -> bool:
    """Decide that a spelling means a club; returns False if that was decided before.

    Raises ValidationError for names that are empty, too long or the same; ConflictError when the alias already
    means another club, when it would begin or end a chain of aliases, and when the archive's games show two clubs.
    """
    alias, team = _name("ALIAS", alias), _name("TEAM", team)
    if alias == team:
        raise ValidationError(f"ALIAS: {alias!r} is the team's own name.", field="ALIAS")
    against = TeamSchedules(_games(engine, league)).against(alias, team)
    row = {"sport": league.sport, "league": league.key, "alias": alias, "team": team}
    with writing(engine, alone=f"aliases {league.key}") as connection:
        decided = {one.alias: one.team for one in _aliases(connection, league)}
        if decided.get(alias) == team:
            return False
        _refuse_conflict(league, alias, team, decided, against)
        insert_new(connection, tables.team_aliases, [{**row, "source": source, "recorded_at": now}])
        for pair in ((alias, team), (team, alias)):
            _forget_refusal(connection, league, *pair)
    return True


def record_aliases_by_rule(
    engine: Engine,
    league: League,
    proposed: Sequence[Alias],
    known: Collection[frozenset[str]] = (),
) -> tuple[list[Alias], list[Alias]]:
    """Record what a rule proposes, as far as nothing stands against it; returns what was recorded, and what is refuted.

    Refuted are names that have met, or have played different opponents at once: two clubs. What people have decided
    wins: an alias that exists stays, and no chain of aliases is begun. ``known`` are pairs of names that are one club.
    """
    schedules = TeamSchedules(_games_near(_games(engine, league), {one.alias for one in proposed}))
    refuted = [one for one in proposed if schedules.against(one.alias, one.team, known)]
    with writing(engine, alone=f"aliases {league.key}") as connection:
        decided = {one.alias: one.team for one in _aliases(connection, league)}
        refused = _refusals(connection, league)
        made: list[Alias] = []
        for one in proposed:
            taken = one.alias in decided or one.alias in decided.values() or one.team in decided
            if one not in refuted and not taken and frozenset((one.alias, one.team)) not in refused:
                decided[one.alias] = one.team
                made.append(one)
        rows = [{"sport": league.sport, **one._asdict()} for one in made]
        insert_new(connection, tables.team_aliases, rows)
    return made, refuted


def refused_aliases(engine: Engine, league: League) -> set[frozenset[str]]:
    """Pairs of names of which people have decided that they are not one club."""
    with reading(engine) as connection:
        return _refusals(connection, league)


def forget_alias(engine: Engine, league: League, alias: str, *, source: str, now: datetime) -> None:
    """Take a decision back: facts read from now on keep the spelling, and no rule decides so again.

    Raises ResourceNotFoundError with the nearest aliases.
    """
    held = tables.team_aliases.c
    with writing(engine, alone=f"aliases {league.key}") as connection:
        decided = {one.alias: one.team for one in _aliases(connection, league)}
        if alias not in decided:
            msg = f"{league.key} has no alias {alias!r}."
            raise ResourceNotFoundError(msg, nearest=nearest(alias, decided), resource_type="alias")
        row = {"sport": league.sport, "league": league.key, "alias": alias, "team": decided[alias]}
        insert_new(connection, tables.team_alias_refusals, [{**row, "source": source, "recorded_at": now}])
        connection.execute(
            sa.delete(tables.team_aliases).where(
                (held.sport == league.sport) & (held.league == league.key) & (held.alias == alias)
            )
        )


def suggestions(engine: Engine, league: League) -> list[Suggestion]:
    """Spellings in the league's archive that are likely one club and not decided yet, the likeliest first."""
    refused = refused_aliases(engine, league)
    found = TeamSchedules(_games(engine, league)).suggestions()
    return [one for one in found if frozenset((one.alias, one.team)) not in refused]


def clubs(engine: Engine, league: League) -> list[Club]:
    """Every club of the league's archive, by name; a decided alias is counted with its club."""
    schedules, aliases = TeamSchedules(_games(engine, league)), list_aliases(engine, league)
    names = sorted({*schedules.names(), *(one.team for one in aliases)})
    return [
        Club(league.key, name, schedules.games(name), tuple(one.alias for one in aliases if one.team == name))
        for name in names
    ]


def _refuse_conflict(league: League, alias: str, team: str, decided: Mapping[str, str], against: str) -> None:
    if alias in decided:
        msg = f"{alias!r} already means {decided[alias]!r} in {league.key}."
        hint = f"Undo with `dbsbm teams forget --league {league.key} {alias!r}`."
        raise ConflictError(msg, hint=hint)
    if team in decided:
        msg = f"{team!r} is itself an alias of {decided[team]!r} in {league.key}."
        raise ConflictError(msg, hint="Name that club instead.")
    if alias in decided.values():
        others = ", ".join(sorted(other for other, club in decided.items() if club == alias))
        msg = f"{alias!r} is the club that {others} stand for in {league.key}."
        raise ConflictError(msg, hint="Forget those aliases first, or record this one in the other direction.")
    if against:
        raise ConflictError(f"Different clubs: {against}.", hint="`dbsbm teams suggest` shows likely pairs.")


def _name(argument: str, text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise ValidationError(f"{argument}: a name of 1 to {LONGEST_NAME} characters, got {text!r}.", field=argument)
    if fault := fault_of(name, LONGEST_NAME):
        raise ValidationError(f"{argument}: {fault}.", field=argument)
    return name


def _games_near(games: Sequence[GameFact], names: Collection[str]) -> Iterator[GameFact]:
    """The games of the names, and all others on these days and the days around them."""
    days = {game.start_at.date() for game in games if game.home_team in names or game.away_team in names}
    near = {day + timedelta(days=number) for day in days for number in (-1, 0, 1)}
    return (game for game in games if game.start_at.date() in near)


def _refusals(connection: Connection, league: League) -> set[frozenset[str]]:
    refused = tables.team_alias_refusals
    query = sa.select(refused.c.alias, refused.c.team).where(_of(refused, league))
    return {frozenset(row) for row in connection.execute(query)}


def _forget_refusal(connection: Connection, league: League, alias: str, team: str) -> None:
    refused = tables.team_alias_refusals
    pair = (refused.c.alias == alias) & (refused.c.team == team)
    connection.execute(sa.delete(refused).where(_of(refused, league), pair))


def _of(table: sa.Table, league: League) -> sa.ColumnElement[bool]:
    return (table.c.sport == league.sport) & (table.c.league == league.key)


def _aliases(connection: Connection, league: League | None) -> list[Alias]:
    held = tables.team_aliases.c
    query = sa.select(*(held[name] for name in Alias._fields)).order_by(held.league, held.alias)
    if league is not None:
        query = query.where((held.sport == league.sport) & (held.league == league.key))
    return [Alias._make(row) for row in connection.execute(query)]


def _games(engine: Engine, league: League) -> list[GameFact]:
    """The league's games as last known, under the names that the aliases give them."""
    aliases = load_aliases(engine)
    return [
        game._replace(home_team=aliases.team(league, game.home_team), away_team=aliases.team(league, game.away_team))
        for game in latest_games(engine, league)
    ]

"""Spellings of clubs, as people have decided them: names of every source are looked up here when they are read.

An alias applies to facts read from then on. Facts archived before stay as they are, under the old spelling; reading
the same files again (`dbsbm backfill`) writes corrections under the new one, known from that moment on, so that rows as
of an earlier day still show what was known then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
    """A spelling, the club it stands for, who decided that and when."""

    league: str
    alias: str
    team: str
    source: str
    recorded_at: datetime


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
    return True


def forget_alias(engine: Engine, league: League, alias: str) -> None:
    """Take a decision back: facts read from now on keep the spelling.

    Raises ResourceNotFoundError with the nearest aliases.
    """
    held = tables.team_aliases.c
    with writing(engine, alone=f"aliases {league.key}") as connection:
        present = [one.alias for one in _aliases(connection, league)]
        if alias not in present:
            msg = f"{league.key} has no alias {alias!r}."
            raise ResourceNotFoundError(msg, nearest=nearest(alias, present), resource_type="alias")
        connection.execute(
            sa.delete(tables.team_aliases).where(
                (held.sport == league.sport) & (held.league == league.key) & (held.alias == alias)
            )
        )


def suggestions(engine: Engine, league: League) -> list[Suggestion]:
    """Spellings in the league's archive that are likely one club and not decided yet, the likeliest first."""
    return TeamSchedules(_games(engine, league)).suggestions()


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

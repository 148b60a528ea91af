"""The archive of people: append-only like the rest, except that bets are deleted when consent ends.

When a user withdraws consent to analytics, or is gone from the bot, every stored bet of that user is deleted: consent
covers the storing as much as the reading, and an archive that only grows could not honour it. The consents themselves
stay (an id, two switches, a moment), as proof of what was allowed when.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database.clock import check_not_ahead
from core.database.transactions import reading, writing
from core.database.upserts import insert_new
from core.errors import DataIntegrityError
from feature_store.archive.queries import teams_of_games
from feature_store.archive.retraction import RecordedSpan
from feature_store.identity.team_aliases import Aliases, load_aliases
from feature_store.sources.bot.people import tables
from feature_store.sources.bot.people.picks import GameKey, Picks, Teams
from feature_store.sources.bot.people.reading import Consent, Guild, People, PlacedBet

KEYS_PER_QUERY = 1_000
PEOPLE = (tables.consents, tables.guilds, tables.bets)


@dataclass(frozen=True)
class PeopleReport:
    """What one read of the bot's people added and erased."""

    consents: int = 0
    guilds: int = 0
    bets: int = 0
    erased: int = 0
    """Rows of bets deleted because their users no longer consent."""

    not_there: tuple[str, ...] = ()
    """Tables and columns of the bot's that could not be read, so that nothing was recorded from them."""


def record_people(engine: Engine, people: People, now: datetime, *, erase_all: bool = False) -> PeopleReport:
    """Add what is new about consents, guilds and bets, known from now on, and erase what is no longer consented to.

    If consents cannot be seen at all, nothing is recorded and nothing erased: that is no withdrawal. A read that was
    earlier and is written later changes nothing that a later one has recorded.

    Raises DataIntegrityError where the table of consents is there but empty, so that every bet would be erased: it is
    more likely that a table was emptied than that all users left. ``erase_all`` states that they did. Raises ClockError
    if now is far ahead of the database's clock.
    """
    aliases = load_aliases(engine)
    with writing(engine, alone="archive people") as connection:
        check_not_ahead(connection, now)
        if people.consents is not None and not people.consents and not erase_all:
            _refuse_to_erase_all(connection)
        consents = _record(connection, tables.consents, Consent, _with_withdrawn(connection, people.consents), now)
        guilds = _record(connection, tables.guilds, Guild, people.guilds or (), now)
        allowed = _allowed(connection)
        erased = 0 if people.consents is None else erase_unconsented(connection)
        kept = [bet for bet in people.bets if bet.user_id in allowed]
        bets = _record(
            connection, tables.bets, PlacedBet, _with_selections(connection, aliases, kept, people.picks), now
        )
    return PeopleReport(consents, guilds, bets, erased, people.not_there)


def count_people(engine: Engine, span: RecordedSpan) -> int:
    """How many rows of consents, guilds and bets were recorded in the span."""
    with reading(engine) as connection:
        return sum(
            connection.execute(
                sa.select(sa.func.count()).select_from(table).where(span.covers(table.c.known_at))
            ).scalar_one()
            for table in PEOPLE
        )


def retract_people(engine: Engine, span: RecordedSpan) -> int:
    """Delete what was recorded in the span of consents, guilds and bets; returns how many rows.

    A row that is dated in the future hides every later one, a withdrawn consent among them. The next snapshot records
    the present again.
    """
    with writing(engine, alone="archive people") as connection:
        return sum(
            connection.execute(sa.delete(table).where(span.covers(table.c.known_at))).rowcount for table in PEOPLE
        )


def consented_bets(engine: Engine, known_by: datetime) -> list[PlacedBet]:
    """Every stored bet, as it was known at the moment, by serial number."""
    with reading(engine) as connection:
        return [bet for _, bet in sorted(_latest(connection, tables.bets, PlacedBet, known_by).items())]


def _refuse_to_erase_all(connection: Connection) -> None:
    bets, users = connection.execute(
        sa.select(sa.func.count(), sa.func.count(sa.distinct(tables.bets.c.user_id))).select_from(tables.bets)
    ).one()
    if bets:
        msg = f"user_settings is empty, which would erase all {bets:,} stored bets of {users:,} users."
        raise DataIntegrityError(msg, hint="If no user consents any more: `dbsbm snapshot --erase-all`.")


def _with_withdrawn(connection: Connection, consents: Sequence[Consent] | None) -> list[Consent]:
    """The consents seen, and for users who were seen before and are gone now that they allow nothing."""
    if consents is None:
        return []
    seen = {consent.user_id for consent in consents}
    gone = sorted(set(_latest(connection, tables.consents, Consent)) - seen)
    return [
        *consents,
        *(Consent(user_id, analytics_consent=False, ml_recommendations_enabled=False) for user_id in gone),
    ]


def _with_selections(
    connection: Connection, aliases: Aliases, bets: Sequence[PlacedBet], picks: Mapping[int, Picks]
) -> list[PlacedBet]:
    """The bets with the sides that they and their legs back, as far as the archive has the games."""
    backed = [picks[bet.bet_serial].games for bet in bets if bet.bet_serial in picks]
    teams = _teams(connection, set[GameKey]().union(*backed))
    selections = {serial: each.selections(teams, aliases) for serial, each in picks.items()}
    pairs = ((bet, selections.get(bet.bet_serial, (None, None))) for bet in bets)
    return [bet._replace(selection=selection, legs=legs) for bet, (selection, legs) in pairs]


def _teams(connection: Connection, wanted: Iterable[GameKey]) -> Teams:
    """Home and away side of the games, as last known."""
    by_league: dict[League, list[str]] = defaultdict(list)
    for league, game_id in wanted:
        by_league[league].append(game_id)
    return {
        (league, game_id): sides
        for league, ids in by_league.items()
        for game_id, sides in teams_of_games(connection, league, ids).items()
    }


def _record(connection: Connection, table: sa.Table, kind: Any, facts: Sequence[Any], now: datetime) -> int:
    """Insert the facts that differ from the latest of their key; returns how many.

    A fact whose key a later read has written already is left out.
    """
    keys = sorted({fact[0] for fact in facts})
    latest, newer = _latest_of(connection, table, kind, keys), _keys_after(connection, table, now)
    fresh = [fact for fact in facts if latest.get(fact[0]) != fact and fact[0] not in newer]
    insert_new(connection, table, [{**fact._asdict(), "known_at": now} for fact in fresh])
    return len(fresh)


def _latest(connection: Connection, table: sa.Table, kind: Any, known_by: datetime | None = None) -> dict[int, Any]:
    query = sa.select(*(table.c[name] for name in kind._fields)).order_by(table.c.known_at)
    if known_by is not None:
        query = query.where(table.c.known_at <= known_by)
    return {row[0]: kind._make(row) for row in connection.execute(query)}


def _latest_of(connection: Connection, table: sa.Table, kind: Any, keys: Sequence[int]) -> dict[int, Any]:
    key = next(iter(table.primary_key.columns))
    query = sa.select(*(table.c[name] for name in kind._fields)).order_by(key, table.c.known_at)
    return {
        row[0]: kind._make(row)
        for start in range(0, len(keys), KEYS_PER_QUERY)
        for row in connection.execute(query.where(key.in_(keys[start : start + KEYS_PER_QUERY])))
    }


def _keys_after(connection: Connection, table: sa.Table, now: datetime) -> set[int]:
    key = next(iter(table.primary_key.columns))
    return set(connection.scalars(sa.select(key).where(table.c.known_at > now)))


def _allowed(connection: Connection) -> set[int]:
    consents = _latest(connection, tables.consents, Consent).values()
    return {consent.user_id for consent in consents if consent.analytics_consent}


def erase_unconsented(connection: Connection) -> int:
    """Delete every bet of users who do not consent; returns how many rows."""
    allowed = _allowed(connection)
    held = set(connection.scalars(sa.select(tables.bets.c.user_id).distinct()))
    withdrawn, erased = sorted(held - allowed), 0
    for start in range(0, len(withdrawn), KEYS_PER_QUERY):
        of_users = tables.bets.c.user_id.in_(withdrawn[start : start + KEYS_PER_QUERY])
        erased += connection.execute(sa.delete(tables.bets).where(of_users)).rowcount
    return erased

"""Reads from the bot what its users allow: consents, guild settings, and the bets of users who consent.

Bets of others are not even fetched. No names and no free text leave the bot: a league is stored by our key, a bet's
type and status by the bot's own few words, its game by its number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League, Leagues
from core.database.transactions import reading
from feature_store.sources.bot.moments import column_moment
from feature_store.sources.bot.people.picks import Picks, american, league_named, picks_of, upstream_id
from feature_store.sources.upstream.json_fields import RejectedValueError, decode_object

TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "user_settings": ("user_id", "analytics_consent", "ml_recommendations_enabled"),
    "guild_settings": (
        "guild_id", "ml_features_enabled", "analytics_enabled", "api_rate_limit", "subscription_level",
    ),
    "bets": (
        "bet_serial", "user_id", "guild_id", "status", "game_id", "bet_type", "league", "odds", "units", "result_value",
        "created_at", "updated_at", "bet_details",
    ),
}  # fmt: skip
"""None of them is required; one that lacks a column is not read at all."""

BET_TYPES: Final = frozenset({"game_line", "player_prop", "parlay"})
STATUSES: Final = frozenset({"pending", "live", "won", "lost", "push"})
SETTLED: Final = frozenset({"won", "lost", "push"})
LONGEST_LEVEL: Final = 20
UTC_ZONE: Final = ZoneInfo("UTC")


class Consent(NamedTuple):
    """What a user allows."""

    user_id: int
    analytics_consent: bool
    ml_recommendations_enabled: bool


class Guild(NamedTuple):
    """What a guild has switched on, and its requests per minute; None where the bot has no value."""

    guild_id: int
    ml_features_enabled: bool
    analytics_enabled: bool
    api_rate_limit: int | None
    subscription_level: str | None


class PlacedBet(NamedTuple):
    """One bet: odds are American, ``units`` staked and ``result_value`` won net of the stake, both in units.

    The status is set by its author or a moderator; ``settled_at`` is when the row was last changed, the nearest thing
    to a settlement that the bot stores. ``league`` is our key, None for one that is not configured.
    """

    bet_serial: int
    user_id: int
    guild_id: int
    placed_at: datetime | None
    settled_at: datetime | None
    bet_type: str
    league: str | None
    odds_american: float | None
    units: float
    status: str
    result_value: float | None
    game_id: str | None
    selection: str | None = None
    """``home``, ``away``, ``draw``, ``over`` or ``under``, where it is clear."""
    legs: str | None = None
    """Of a parlay: a JSON list of objects with ``league``, ``game_id``, ``selection`` and ``odds_american``."""


@dataclass(frozen=True)
class People:
    """One read of the bot's people; None for what is not there."""

    consents: Sequence[Consent] | None
    guilds: Sequence[Guild] | None
    bets: Sequence[PlacedBet]
    not_there: tuple[str, ...]
    """Tables, and columns as ``table.column``, that the account cannot see in the bot's database."""

    picks: Mapping[int, Picks] = field(default_factory=dict)
    """What each bet backs, by serial number; not yet compared with the games."""


def read_people(bot: Engine, leagues: Leagues) -> People:
    """Read consents, guild settings and the bets of users who consent.

    Raises DatabaseError when the bot's database cannot be read.
    """
    with reading(bot) as connection:
        if connection.dialect.name in ("mysql", "mariadb"):
            # TIMESTAMP columns come in the session's zone. The session is closed afterwards, not reused.
            connection.detach()
            connection.execute(sa.text("SET time_zone = '+00:00'"))
            connection.commit()
            connection.execute(sa.text("START TRANSACTION READ ONLY"))
        missing = {name: _missing(connection, name) for name in TABLES}
        not_there = tuple(text for texts in missing.values() for text in texts)
        rows = [] if missing["user_settings"] or missing["bets"] else _bet_rows(connection)
        named = {text: league_named(text, leagues) for text in {row.league for row in rows}}
        bets = [_bet(row, named[row.league]) for row in rows]
        return People(
            consents=None if missing["user_settings"] else _consents(connection),
            guilds=None if missing["guild_settings"] else _guilds(connection),
            bets=bets,
            not_there=not_there,
            picks={
                bet.bet_serial: picks_of(row.bet_details, named[row.league], bet.game_id, leagues)
                for bet, row in zip(bets, rows, strict=True)
            },
        )


def _missing(connection: Connection, name: str) -> list[str]:
    inspector = sa.inspect(connection)
    if name not in inspector.get_table_names():
        return [name]
    present = {column["name"].lower() for column in inspector.get_columns(name)}
    return [f"{name}.{column}" for column in TABLES[name] if column not in present]


def _table(name: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in TABLES[name]))


def _consents(connection: Connection) -> list[Consent]:
    settings = _table("user_settings")
    return [
        Consent(row.user_id, bool(row.analytics_consent), bool(row.ml_recommendations_enabled))
        for row in connection.execute(sa.select(settings).order_by(settings.c.user_id))
    ]


def _guilds(connection: Connection) -> list[Guild]:
    settings = _table("guild_settings")
    return [
        Guild(
            row.guild_id,
            bool(row.ml_features_enabled),
            bool(row.analytics_enabled),
            row.api_rate_limit,
            None if row.subscription_level is None else str(row.subscription_level)[:LONGEST_LEVEL],
        )
        for row in connection.execute(sa.select(settings).order_by(settings.c.guild_id))
    ]


def _bet_rows(connection: Connection) -> Sequence[sa.Row[Any]]:
    """The bets of users who consent to analytics; the database applies the condition, so that no other row arrives."""
    bets, settings = _table("bets"), _table("user_settings")
    consenting = sa.select(settings.c.user_id).where(settings.c.analytics_consent == sa.literal(1))
    return connection.execute(sa.select(bets).where(bets.c.user_id.in_(consenting)).order_by(bets.c.bet_serial)).all()


def _bet(row: sa.Row[Any], league: League | None) -> PlacedBet:
    status = _word(row.status, STATUSES)
    return PlacedBet(
        bet_serial=row.bet_serial,
        user_id=row.user_id,
        guild_id=row.guild_id,
        placed_at=_moment("created_at", row.created_at),
        settled_at=_moment("updated_at", row.updated_at) if status in SETTLED else None,
        bet_type=_word(row.bet_type, BET_TYPES),
        league=league.key if league is not None else None,
        odds_american=american(row.odds),
        units=float(row.units),
        status=status,
        result_value=None if row.result_value is None else float(row.result_value),
        game_id=_game_id(row.game_id, row.bet_details),
    )


def _word(text: object, words: frozenset[str]) -> str:
    """One of the bot's own words, else ``other``: free text does not leave the bot."""
    word = str(text or "").strip().casefold()
    return word if word in words else "other"


def _moment(column: str, value: object) -> datetime | None:
    try:
        return column_moment(column, value, UTC_ZONE)
    except RejectedValueError:
        return None


def _game_id(game_id: object, details: object) -> str | None:
    """The upstream id of the game bet on: the link's, else the one among the details; manual bets have neither."""
    if game_id is not None:
        return str(game_id)
    try:
        return upstream_id(decode_object("bet_details", details).get("api_game_id"))
    except RejectedValueError:
        return None

"""The online side: feature rows of the games to come and each league's latest state, as ``build`` stored them.

A row keeps its ``digest`` until something it depends on changes; once a game has begun, its row stays as it was.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.database.transactions import reading
from core.errors import DataIntegrityError, ResourceNotFoundError, ServiceError
from core.text.nearest import nearest
from feature_store.archive.facts import GameFact
from feature_store.features.sets import EVERYTHING, FeatureSet, compute
from feature_store.features.situation import Fixtures, Situation, StateColumns, as_columns
from feature_store.history.fact_columns import seconds
from feature_store.history.league_state import LeagueState
from feature_store.history.prices import PriceColumns, Prices
from feature_store.history.ratings import Rules, enter, rules_of
from feature_store.rows import tables
from feature_store.rows.row import Row

MONEYLINE: Final = EVERYTHING.names.index("market_log_odds")


@dataclass(frozen=True)
class OnlineRow:
    """A game with its feature row as the server reads it; ``values`` follow ``EVERYTHING``, NaN means not known."""

    sport: str
    league: str
    game: GameFact
    as_of: datetime
    catalogue: str
    values: tuple[float, ...]
    prices: Prices | None
    """Those that may be shown; the features are of all prices."""
    digest: str

    @property
    def priced(self) -> bool:
        """Whether any book's moneyline is known; False for a row that code with fewer features has made."""
        return len(self.values) > MONEYLINE and not math.isnan(self.values[MONEYLINE])

    def pick(self, features: FeatureSet) -> tuple[float, ...]:
        """The values of one model's features, in its order.

        Raises DataIntegrityError when the row was made by code with other features.
        """
        if self.catalogue != EVERYTHING.fingerprint(self.sport):
            msg = f"Stored features of {self.game.game_id} were built by another version of the code."
            raise DataIntegrityError(msg, hint="Run `dbsbm features build`.")
        return features.pick(self.values)


class StoredState(NamedTuple):
    """A league's latest state as stored: ``body`` is that of ``LeagueState.to_json``, ``version`` the features'."""

    league: str
    as_of: datetime
    version: str
    body: str


def watermarks(engine: Engine) -> dict[str, datetime]:
    """When each league's rows were last brought up to date, by league key."""
    with reading(engine) as connection:
        return dict(connection.execute(sa.select(tables.states.c.league, tables.states.c.as_of)).tuples().all())


def load_rows(engine: Engine, leagues: Sequence[str] | None = None) -> list[OnlineRow]:
    """Every stored row, or those of the leagues named, in order of start: one read."""
    query = sa.select(tables.rows).order_by(tables.rows.c.start_at, tables.rows.c.game_id)
    if leagues is not None:
        query = query.where(tables.rows.c.league.in_(leagues))
    with reading(engine) as connection:
        return [_read(row) for row in connection.execute(query).mappings()]


def load_states(engine: Engine, leagues: Sequence[str]) -> dict[str, StoredState]:
    """The latest states of the leagues named, by league key: one read."""
    held = tables.states.c
    query = sa.select(*(held[name] for name in StoredState._fields)).where(held.league.in_(leagues))
    with reading(engine) as connection:
        return {row.league: StoredState._make(row) for row in connection.execute(query)}


def load_state(engine: Engine, league: League) -> StoredState | None:
    """The league's latest state, None before its first build."""
    held = tables.states.c
    query = sa.select(*(held[name] for name in StoredState._fields)).where(
        held.sport == league.sport, held.league == league.key
    )
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else StoredState._make(row)


def matchup(
    stored: StoredState | None, league: League, home_team: str, away_team: str, *, neutral: bool, now: datetime
) -> OnlineRow:
    """The row of a game that is not scheduled, between two teams of the league, as of its latest state.

    Raises ServiceError when the league has no state built by this code, ResourceNotFoundError for an unknown team.
    """
    if stored is None or stored.version != EVERYTHING.fingerprint(league.sport):
        msg = f"No up-to-date state of {league.key}."
        raise ServiceError(msg, hint=f"Run `dbsbm features build --league {league.key}`.")
    state = LeagueState.from_json(stored.body)
    home, away = (find_team(team, state) for team in (home_team, away_team))
    season = max(state.season_of(home), state.season_of(away))
    game = GameFact(
        game_id=f"{home} v {away}",
        known_at=stored.as_of,
        season=season,
        start_at=now,
        date_only=False,
        home_team=home,
        away_team=away,
        neutral=neutral,
        playoff=False,
        status="unknown",
    )
    values = compute(EVERYTHING, _unscheduled(state, game, rules_of(league.sport)))[0]
    return _read(stored_row(league, Row(game, stored.as_of, tuple(values.tolist()), None)))


def _unscheduled(state: LeagueState, game: GameFact, rules: Rules) -> Situation:
    league = np.rec.array(state.league.reshape(1))
    sides = []
    for name in (game.home_team, game.away_team):
        team = np.rec.array(state.teams[name].reshape(1))
        enter(team[0], league[0], float(game.season), rules)
        sides.append(team)
    nothing = PriceColumns(*(np.full(1, np.nan) for _ in range(7)))
    return Situation(
        league=_columns(league),
        home=_columns(sides[0]),
        away=_columns(sides[1]),
        game=Fixtures(
            start=np.array([seconds(game.start_at)]),
            season=np.array([float(game.season)]),
            neutral=np.array([game.neutral]),
            playoff=np.array([game.playoff]),
        ),
        prices=nothing,
        opening=nothing,
        moved_to=nothing,
        rules=rules,
    )


def _columns(record: NDArray[Any]) -> StateColumns:
    return as_columns(record.dtype, record.view(np.float64).reshape(1, -1).T)


def find_team(name: str, state: LeagueState) -> str:
    """The team of that name in any case. Raises ResourceNotFoundError with the nearest names."""
    by_name = {team.casefold(): team for team in state.teams}
    team = by_name.get(name.strip().casefold())
    if team is None:
        raise ResourceNotFoundError(f"Unknown team {name!r}.", nearest=nearest(name, state.teams), resource_type="team")
    return team


def stored_row(league: League, row: Row) -> dict[str, Any]:
    """The row as ``feature_rows`` holds it, by column."""
    game = row.game
    features = json.dumps([None if math.isnan(value) else value for value in row.values])
    prices = json.dumps(row.prices)
    catalogue = EVERYTHING.fingerprint(league.sport)
    content = (catalogue, features, prices, *map(str, game))
    return {
        "sport": league.sport,
        "league": league.key,
        "game_id": game.game_id,
        "as_of": row.as_of,
        "catalogue": catalogue,
        "season": game.season,
        "start_at": game.start_at,
        "date_only": game.date_only,
        "home_team": game.home_team,
        "away_team": game.away_team,
        "neutral": game.neutral,
        "playoff": game.playoff,
        "status": game.status,
        "features": features,
        "prices": prices,
        "digest": sha256("\n".join(content).encode()).hexdigest(),
    }


def _read(row: Any) -> OnlineRow:
    prices = json.loads(row["prices"])
    return OnlineRow(
        sport=row["sport"],
        league=row["league"],
        game=GameFact(
            row["game_id"],
            row["as_of"],
            row["season"],
            row["start_at"],
            bool(row["date_only"]),
            row["home_team"],
            row["away_team"],
            bool(row["neutral"]),
            bool(row["playoff"]),
            row["status"],
        ),
        as_of=row["as_of"],
        catalogue=row["catalogue"],
        values=tuple(math.nan if value is None else value for value in json.loads(row["features"])),
        prices=None if prices is None else Prices(*prices),
        digest=row["digest"],
    )

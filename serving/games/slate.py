"""The games in memory: every game to come and those of the last days, with their feature rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Final

from rapidfuzz import fuzz, process
from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.errors import ResourceNotFoundError, ServiceError
from feature_store.rows.online import OnlineRow, StoredState, load_rows
from serving.games.published_slate import LeagueSlate
from serving.games.team_search import TeamSearch

GameKey = tuple[str, str, str]
"""Sport, league, game id."""

NEAREST: Final = 3
ALIKE: Final = 55.0


@dataclass(frozen=True)
class SlateTable:
    """One state of the slate; never changed, only replaced."""

    rows: Mapping[GameKey, OnlineRow] = field(default_factory=dict)
    checked: Mapping[str, datetime] = field(default_factory=dict)
    """When each league's rows were last brought up to date by the feature store."""
    states: Mapping[str, StoredState] = field(default_factory=dict)
    """The leagues' states as they were published, for the time in which the database cannot be asked."""

    @cached_property
    def by_start(self) -> list[OnlineRow]:
        return sorted(self.rows.values(), key=lambda row: (row.game.start_at, row.game.game_id))

    @cached_property
    def by_name(self) -> TeamSearch:
        """Of the same games in the same order."""
        return TeamSearch([(row.game.home_team, row.game.away_team) for row in self.by_start])

    def with_leagues(
        self, rows: Iterable[OnlineRow], checked: Mapping[str, datetime], changed: set[str]
    ) -> "SlateTable":
        """The table with the changed leagues' rows replaced."""
        kept = {key: row for key, row in self.rows.items() if row.league not in changed and row.league in checked}
        return SlateTable({**kept, **{key_of(row): row for row in rows}}, dict(checked), self.states)


class Slate:
    """The current table. It stays as it is while the database is away."""

    def __init__(self) -> None:
        self._table = SlateTable()
        self.loaded = False

    @property
    def table(self) -> SlateTable:
        return self._table

    def follow(self, engine: Engine, watermarks: Mapping[str, datetime]) -> set[str]:
        """Read again the leagues whose watermark moved; returns them and those that are gone. Raises DatabaseError."""
        known = self._table.checked
        changed = {league for league, moment in watermarks.items() if known.get(league) != moment}
        gone = set(known.keys() - watermarks.keys())
        if changed or gone:
            rows = load_rows(engine, sorted(changed)) if changed else []
            self._table = self._table.with_leagues(rows, watermarks, changed)
        self.loaded = True
        return changed | gone

    def adopt(self, slates: Iterable[LeagueSlate]) -> None:
        """Take leagues' slates that are newer than what is here, while the database is away."""
        slates, known = list(slates), self._table.checked
        states = {slate.league: slate.state for slate in slates if slate.state is not None}
        if states:
            self._table = replace(self._table, states={**self._table.states, **states})
        newer = {slate.league: slate for slate in slates if _is_newer(slate.checked_at, known.get(slate.league))}
        if newer:
            rows = [row for slate in newer.values() for row in slate.rows]
            checked = {**known, **{league: slate.checked_at for league, slate in newer.items()}}
            self._table = self._table.with_leagues(rows, checked, set(newer))
            self.loaded = True

    def upcoming(self, now: datetime) -> list[OnlineRow]:
        """Games that have not begun, the next one first."""
        return [row for row in self._table.by_start if row.game.start_at > now]

    def require_loaded(self) -> None:
        """Raises ServiceError while no games were read at all."""
        if not self.loaded:
            raise ServiceError("The games were not read yet.", hint="GET /readyz says what is missing.")

    def find(self, league: League, game_id: str) -> tuple[OnlineRow, datetime]:
        """The game and when its league was last checked.

        Raises ResourceNotFoundError with the nearest games, ServiceError while no games were read at all.
        """
        self.require_loaded()
        table = self._table
        row = table.rows.get((league.sport, league.key, game_id))
        if row is None:
            raise self._not_found(league, game_id)
        return row, table.checked[league.key]

    def search(self, text: str, league: League | None, day: date | None, limit: int, now: datetime) -> list[OnlineRow]:
        """Games whose teams are spelt like the text, the best match first and then the soonest.

        Without a text: games to come, the next one first, then those that have begun, the last one first.
        Raises ServiceError while no games were read at all.
        """
        self.require_loaded()
        table = self._table
        rows = {
            number: row
            for number, row in enumerate(table.by_start)
            if (league is None or (row.sport, row.league) == (league.sport, league.key))
            and (day is None or row.game.start_at.date() == day)
        }
        if not text.strip():
            coming = [row for row in rows.values() if row.game.start_at > now]
            begun = [row for row in reversed(rows.values()) if row.game.start_at <= now]
            return [*coming, *begun][:limit]
        found = table.by_name.find(text)
        ranked = sorted(rows.keys() & found.keys(), key=lambda n: (-found[n], rows[n].game.start_at < now, n))
        return [rows[number] for number in ranked[:limit]]

    def _not_found(self, league: League, game_id: str) -> ResourceNotFoundError:
        rows = [row for row in self._table.by_start if (row.sport, row.league) == (league.sport, league.key)]
        names = [f"{_names(row)} {row.game.game_id}" for row in rows]
        found = process.extract(
            game_id, names, scorer=fuzz.WRatio, processor=str.casefold, limit=NEAREST, score_cutoff=ALIKE
        )
        near = [rows[match[2]] for match in found]
        known = "; ".join(f"{row.game.game_id} ({_names(row)})" for row in near)
        return ResourceNotFoundError(
            f"There is no game {game_id!r} in {league.key}.",
            nearest=tuple(row.game.game_id for row in near),
            hint=f"Nearest: {known}." if known else f"GET /v1/games?league={league.key} lists the games.",
            resource_type="game",
        )


def key_of(row: OnlineRow) -> GameKey:
    """The natural key of a row's game."""
    return row.sport, row.league, row.game.game_id


def _is_newer(moment: datetime, known: datetime | None) -> bool:
    return known is None or moment > known


def _names(row: OnlineRow) -> str:
    return f"{row.game.home_team} v {row.game.away_team}"

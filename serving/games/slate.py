"""The games in memory: every game to come and those of the last days, with their feature rows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Final

from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.errors import ResourceNotFoundError, ServiceError
from core.logs import get_logger
from core.text.identifiers import fault_of
from core.text.nearest import NameIndex
from feature_store.archive.checks.identities import LONGEST
from feature_store.rows.online import OnlineRow, StoredState, load_rows
from serving.games.published_slate import LeagueSlate
from serving.games.team_search import TeamSearch

GameKey = tuple[str, str, str]
"""Sport, league, game id."""

log = get_logger(__name__)


class LeagueGames:
    """The games of one league in order of their start, and the search for those that an unknown id may have meant."""

    def __init__(self, rows: Iterable[OnlineRow]) -> None:
        self._rows = sorted(rows, key=lambda row: (row.game.start_at, row.game.game_id))
        ids = [row.game.game_id for row in self._rows]
        names = [_names(row) for row in self._rows]
        spellings = [*zip(ids, range(len(ids)), strict=True), *zip(names, range(len(names)), strict=True)]
        self._index = NameIndex([f"{name} {game_id}" for name, game_id in zip(names, ids, strict=True)], spellings)

    def nearest(self, game_id: str) -> list[OnlineRow]:
        """Return the games whose id or teams are spelt most like the text, best first."""
        return [self._rows[place] for place in self._index.find(game_id)]


NO_GAMES: Final = LeagueGames(())


@dataclass(frozen=True)
class SlateTable:
    """The content of the slate; never changed, only replaced."""

    rows: Mapping[GameKey, OnlineRow] = field(default_factory=dict)
    checked: Mapping[str, datetime] = field(default_factory=dict)
    """When the feature store last updated each league's rows."""
    states: Mapping[str, StoredState] = field(default_factory=dict)
    """The published states of leagues, used while the database is unavailable."""
    by_league: Mapping[str, LeagueGames] = field(default_factory=dict)
    edition: object = field(default_factory=object, compare=False)
    """Another object in every table with other games, for whoever must know of changes and keep no table."""

    @cached_property
    def by_start(self) -> list[OnlineRow]:
        return sorted(self.rows.values(), key=lambda row: (row.game.start_at, row.game.game_id))

    @cached_property
    def by_name(self) -> TeamSearch:
        """Search over the same games in the same order."""
        return TeamSearch([(row.game.home_team, row.game.away_team) for row in self.by_start])

    def with_leagues(
        self, rows: Iterable[OnlineRow], checked: Mapping[str, datetime], changed: set[str]
    ) -> "SlateTable":
        """Return the table with the changed leagues' rows replaced."""
        kept = {key: row for key, row in self.rows.items() if row.league not in changed and row.league in checked}
        new = {key_of(row): row for row in _with_valid_ids(rows)}
        by_league = {league: games for league, games in self.by_league.items() if league in checked}
        by_league |= {league: LeagueGames(row for row in new.values() if row.league == league) for league in changed}
        return SlateTable({**kept, **new}, dict(checked), self.states, by_league)


class Slate:
    """The current table of games. It does not change while the database is unavailable."""

    def __init__(self) -> None:
        self._table = SlateTable()
        self.loaded = False

    @property
    def table(self) -> SlateTable:
        return self._table

    def refresh(self, engine: Engine, watermarks: Mapping[str, datetime]) -> set[str]:
        """Read the leagues whose watermark changed; return them and those that were removed. Raises DatabaseError."""
        checked = self._table.checked
        changed = {league for league, moment in watermarks.items() if checked.get(league) != moment}
        gone = set(checked.keys() - watermarks.keys())
        if changed or gone:
            rows = load_rows(engine, sorted(changed)) if changed else []
            self._table = self._table.with_leagues(rows, watermarks, changed)
        self.loaded = True
        return changed | gone

    def merge_newer(self, slates: Iterable[LeagueSlate]) -> None:
        """Take over the slates that are newer than those in memory, while the database is unavailable."""
        slates, checked = list(slates), self._table.checked
        states = {slate.league: slate.state for slate in slates if slate.state is not None}
        if states:
            self._table = replace(self._table, states={**self._table.states, **states})
        newer = {slate.league: slate for slate in slates if _is_newer(slate.checked_at, checked.get(slate.league))}
        if newer:
            rows = [row for slate in newer.values() for row in slate.rows]
            checked = {**checked, **{league: slate.checked_at for league, slate in newer.items()}}
            self._table = self._table.with_leagues(rows, checked, set(newer))
            self.loaded = True

    def upcoming(self, now: datetime) -> list[OnlineRow]:
        """Return the games that have not begun, the next one first."""
        return [row for row in self._table.by_start if row.game.start_at > now]

    def require_loaded(self) -> None:
        """Raise ServiceError while no games are loaded."""
        if not self.loaded:
            raise ServiceError("The games are not loaded yet.", hint="GET /readyz lists the causes.")

    def find(self, league: League, game_id: str) -> tuple[OnlineRow, datetime]:
        """Return the game and when its league was last checked.

        Raises ResourceNotFoundError with the nearest games, ServiceError while no games are loaded.
        """
        self.require_loaded()
        table = self._table
        row = table.rows.get((league.sport, league.key, game_id))
        if row is None:
            raise self._not_found(league, game_id)
        return row, table.checked[league.key]

    def search(self, text: str, league: League | None, day: date | None, limit: int, now: datetime) -> list[OnlineRow]:
        """Return the games whose teams match the text, the best match first, then the soonest.

        Without a text: games to come, the next one first, then those that have begun, the last one first.
        Raises ServiceError while no games are loaded.
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
        scores = table.by_name.find(text)
        ranked = sorted(rows.keys() & scores.keys(), key=lambda n: (-scores[n], rows[n].game.start_at < now, n))
        return [rows[number] for number in ranked[:limit]]

    def _not_found(self, league: League, game_id: str) -> ResourceNotFoundError:
        near = self._table.by_league.get(league.key, NO_GAMES).nearest(game_id)
        listed = "; ".join(f"{row.game.game_id} ({_names(row)})" for row in near)
        return ResourceNotFoundError(
            f"There is no game {game_id!r} in {league.key}.",
            nearest=tuple(row.game.game_id for row in near),
            hint=f"Nearest: {listed}." if listed else f"GET /v1/games?league={league.key} lists the games.",
            resource_type="game",
        )


def key_of(row: OnlineRow) -> GameKey:
    """Return the natural key of a row's game."""
    return row.sport, row.league, row.game.game_id


def _with_valid_ids(rows: Iterable[OnlineRow]) -> Iterator[OnlineRow]:
    """Return the rows without those that an archive took in before it checked ids: no request can name them."""
    refused = []
    for row in rows:
        if fault_of(row.game.game_id, LONGEST["game_id"]):
            refused.append(row.game.game_id)
        else:
            yield row
    if refused:
        log.warning("games left out because of their ids", games=len(refused), first=ascii(refused[0]))


def _is_newer(moment: datetime, current: datetime | None) -> bool:
    return current is None or moment > current


def _names(row: OnlineRow) -> str:
    return f"{row.game.home_team} v {row.game.away_team}"

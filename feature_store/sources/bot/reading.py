"""Turns one row of the bot's ``api_games`` into facts.

A wrong value costs only the fact that it belongs to: a broken score costs the result and keeps the game, a missing team
costs the row. Nothing is dropped without an entry in ``rejected``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from core.betting.leagues import League, Leagues
from core.errors import DataIntegrityError
from feature_store.archive.checks.identities import LONGEST, fault_in
from feature_store.archive.checks.quotes import check_quote
from feature_store.archive.facts import GameFact, Quote, Rejected, Result
from feature_store.identity.team_aliases import NO_ALIASES, Aliases
from feature_store.sources.bot.moments import Zones, column_moment
from feature_store.sources.seasons import UNSTATED
from feature_store.sources.upstream.exhibitions import is_exhibition
from feature_store.sources.upstream.json_fields import RejectedValueError, at_path, decode, decode_object, whole_number
from feature_store.sources.upstream.moments import stated_season, upstream_start
from feature_store.sources.upstream.odds import book_of, bookmakers, prices_of
from feature_store.sources.upstream.scores import final_score
from feature_store.sources.upstream.status import Stage, stage_of, upstream_status

SOURCE: Final = "bot"
UTC_ZONE: Final = ZoneInfo("UTC")

_IDENTITY: Final = ("sport", "league_id", "api_game_id", "home_team_name", "away_team_name", "start_time", "status")

Row = Mapping[str, object]


@dataclass
class Reading:
    """The facts of one row; ``game`` is None if the row is rejected. ``fetched_at`` is when the bot learned it."""

    place: str
    fetched_at: datetime
    stage: Stage = "regular"
    game: GameFact | None = None
    """Of season ``UNSTATED`` where neither the column nor upstream states one."""
    result: Result | None = None
    quotes: list[Quote] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Whether the clubs play to win: other games say nothing of their strength, and none of it is recorded."""
        return self.stage not in ("preseason", "exhibition")

    def reject(self, fact: Literal["row", "result", "quote"], error: RejectedValueError) -> None:
        """Note a fact that is not recorded."""
        self.rejected.append(Rejected(SOURCE, self.place, fact, error.reason, error.content))


def league_of(row: Row, leagues: Leagues) -> League | None:
    """The league that the row's game belongs to, None for one that is not configured.

    Raises RejectedValueError where the row's columns name two leagues.
    """
    try:
        recorded = whole_number(at_path(decode("raw_json", row["raw_json"]), "league", "id"))
    except RejectedValueError:
        recorded = None
    league_id, name = (None if row[column] is None else str(row[column]) for column in ("league_id", "league_name"))
    try:
        return leagues.of_feed(str(row["sport"] or ""), league_id, name, recorded)
    except DataIntegrityError as error:
        raise RejectedValueError(error.message, _identity(row)) from error


def reject_row(row: Row, error: RejectedValueError) -> Rejected:
    """The quarantine entry for a row whose league is not certain."""
    return Rejected(SOURCE, _place(row), "row", error.reason, error.content)


def read_row(row: Row, league: League, *, now: datetime, zones: Zones, aliases: Aliases = NO_ALIASES) -> Reading:
    """The facts in one row of a league, its clubs under the names that the aliases give them; never raises.

    They are known from ``now`` on, the moment of the read: what the bot had before was not in this archive.
    """
    reading = Reading(place=_place(row), fetched_at=_fetched_at(row, now))
    raw = _json_object(reading, row, "raw_json")
    # An unreadable record still comes from the live fetcher: only rows of the other writer have none.
    zone = zones.recorded if raw or reading.rejected else zones.bare
    reading.stage = stage_of(raw)
    if not reading.counts:
        return reading
    try:
        game = _game(row, raw, league, aliases, now, zone)
    except RejectedValueError as error:
        reading.reject("row", error)
        return reading
    if reading.stage == "regular" and is_exhibition(league, game.start_at, game.home_team, game.away_team):
        return Reading(reading.place, reading.fetched_at, stage="exhibition")
    stored = _json_object(reading, row, "score")
    reading.game = game
    if game.status == "final":
        try:
            reading.result = _result(reading, row, raw, stored, league, game, zone)
        except RejectedValueError as error:
            reading.reject("result", error)
    _add_quotes(reading, row.get("odds"), league, game)
    return reading


def _place(row: Row) -> str:
    """The row as a person can find it: by the primary key ``id``, else by the game's id."""
    name = "id" if row.get("id") is not None else "api_game_id"
    return f"api_games {name}={row.get(name)}"


def _fetched_at(row: Row, now: datetime) -> datetime:
    """When the bot learned what the row says: never after ``now``, and ``now`` where that is missing."""
    try:
        fetched_at = column_moment("fetched_at", row["fetched_at"], UTC_ZONE)
    except RejectedValueError:
        return now
    return now if fetched_at is None else min(fetched_at, now)


def _json_object(reading: Reading, row: Row, column: str) -> dict[str, object]:
    try:
        return decode_object(column, row[column])
    except RejectedValueError as error:
        reading.reject("result", error)
        return {}


def _game(
    row: Row, raw: Mapping[str, object], league: League, aliases: Aliases, known_at: datetime, zone: ZoneInfo
) -> GameFact:
    home_team, away_team = (aliases.team(league, _team(row, f"{side}_team")) for side in ("home", "away"))
    if home_team.casefold() == away_team.casefold():
        raise RejectedValueError("home_team_name and away_team_name are the same", _identity(row))
    game_id = str(row["api_game_id"] or "").strip()
    if not game_id or len(game_id) > LONGEST["game_id"]:
        reason = f"api_game_id is empty or longer than {LONGEST['game_id']} characters"
        raise RejectedValueError(reason, _identity(row))
    if fault := fault_in("game_id", game_id):
        raise RejectedValueError(f"api_{fault}", _identity(row))
    start_at = upstream_start(raw) or column_moment("start_time", row["start_time"], zone)
    if start_at is None:
        raise RejectedValueError("start_time is empty, and raw_json gives none", _identity(row))
    return GameFact(
        game_id=game_id,
        known_at=known_at,
        season=stated_season(row["season"], at_path(raw, "league", "season")) or UNSTATED,
        start_at=start_at,
        date_only=False,
        home_team=home_team,
        away_team=away_team,
        neutral=False,
        playoff=stage_of(raw) == "playoff",
        status=upstream_status(raw, league.sport, row["status"]),
    )


def _team(row: Row, side: str) -> str:
    column = f"{side}_name"
    name = str(row[column] or "").strip()
    if not name:
        raise RejectedValueError(f"{column} is empty", _identity(row))
    if len(name) > LONGEST[side]:
        raise RejectedValueError(f"{column} is longer than {LONGEST[side]} characters", _identity(row))
    if fault := fault_in(side, name):
        raise RejectedValueError(fault, _identity(row))
    return name


def _result(
    reading: Reading,
    row: Row,
    raw: Mapping[str, object],
    stored: Mapping[str, object],
    league: League,
    game: GameFact,
    zone: ZoneInfo,
) -> Result:
    score = final_score(league, raw, stored)
    if reading.fetched_at < game.start_at:
        reason = f"final, but fetched before its start at {_written(game.start_at)}"
        raise RejectedValueError(reason, _identity(row))
    try:
        end_at = _end(row, game, zone)
    except RejectedValueError as error:
        # The end is not needed: the score counts without it.
        reason = f"{error.reason}; the result is recorded with the usual end of a game"
        reading.reject("result", RejectedValueError(reason, error.content))
        end_at = None
    finished_at = min(end_at or game.start_at + league.duration, reading.fetched_at)
    return Result(game.game_id, game.known_at, finished_at, *score.final, *(score.regulation or (None, None)))


def _end(row: Row, game: GameFact, zone: ZoneInfo) -> datetime | None:
    """The end of the game, None where the column gives none. Raises RejectedValueError where it makes no sense."""
    end_at = column_moment("end_time", row["end_time"], zone)
    if end_at is not None and end_at < game.start_at:
        reason = f"end_time {_written(end_at)} lies before start_time {_written(game.start_at)}"
        raise RejectedValueError(reason, _identity(row))
    return end_at


def _add_quotes(reading: Reading, odds: object, league: League, game: GameFact) -> None:
    try:
        quoted = list(bookmakers(decode("odds", odds)))
    except RejectedValueError as error:
        reading.reject("quote", error)
        return
    for bookmaker in quoted:
        try:
            _add_quote(reading, bookmaker, league, game)
        except RejectedValueError as error:
            reading.reject("quote", error)


def _add_quote(reading: Reading, bookmaker: Mapping[str, object], league: League, game: GameFact) -> None:
    """Add one bookmaker's prices; a market of them that is wrong is rejected by itself."""
    book = book_of(bookmaker)
    prices, faults = prices_of(bookmaker, league)
    for fault in faults:
        reading.reject("quote", fault)
    if not prices:
        return
    quote = Quote(game.game_id, book, "last", game.known_at, reading.fetched_at, **prices)
    kept, reasons = check_quote(quote, league)
    for reason in reasons:
        reading.reject("quote", RejectedValueError(f"{book}: {reason}", prices))
    if kept is not None:
        reading.quotes.append(kept)


def _identity(row: Row) -> str:
    """The row in short, without its ``fetched_at``: the same fault read again is the same entry."""
    return json.dumps({name: row[name] for name in _IDENTITY}, default=str)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")

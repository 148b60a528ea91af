"""CSV archives of finished games become facts; a damaged cell costs the fact it stands in and nothing else.

The columns are those of docs/data-scientists.md. Only ``league``, ``game_id``, ``game_date`` (or ``kickoff_utc``),
``home_team`` and ``away_team`` are needed. Such a file does not say when its facts became known: ``derived_times`` has
the rule for that.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from core.betting.leagues import League, Leagues
from core.betting.score_bounds import fault_of_score
from core.clock import midnight
from core.errors import ResourceNotFoundError
from feature_store.archive.checks.identities import LONGEST, fault_in
from feature_store.archive.checks.quotes import check_quote
from feature_store.archive.facts import FactBatch, GameFact, Quote, Rejected, Result
from feature_store.identity.team_aliases import NO_ALIASES, Aliases
from feature_store.sources.csv.columns import QUOTES
from feature_store.sources.csv.mapping import OWN_LAYOUT, CsvMapping
from feature_store.sources.csv.rows import EARLIEST_YEAR, LATEST_YEAR, CsvRow, DamagedError
from feature_store.sources.derived_times import DATE_KNOWN, DATE_START, LISTED_AHEAD, OPENED_AHEAD
from feature_store.sources.seasons import UNSTATED, complete_seasons

AHEAD_OF_UTC: Final = timedelta(hours=14)


@dataclass(frozen=True)
class CsvReading:
    """The facts of one file by league, and what was rejected and why."""

    batches: Mapping[League, FactBatch]
    rejected: Sequence[Rejected]
    rows: int
    guessed_seasons: Mapping[League, Mapping[int, int]] = field(default_factory=dict)
    """How many games were given a season by their dates, by league and season."""
    detected_encoding: str = ""
    """The file's encoding, where neither its mark nor the mapping says it and it is not UTF-8."""


def read_csv(
    path: Path,
    leagues: Leagues,
    aliases: Aliases = NO_ALIASES,
    mapping: CsvMapping = OWN_LAYOUT,
    *,
    now: datetime | None = None,
    archived: Callable[[League], Iterable[GameFact]] = lambda _league: (),
    only: League | None = None,
) -> CsvReading:
    """Read one CSV or gzipped CSV file, its clubs under the names that the aliases give them.

    A game that starts after ``now`` cannot have a score. ``archived`` gives further games of a league, from whose dates
    the season of a row that states none is guessed. With ``only`` the rows of other leagues are left out.
    Raises ValidationError when the file cannot be read or lacks a needed column.
    """
    reader = _Reader(path.name, leagues, aliases, now, only)
    table = mapping.open_table(path)
    for row in mapping.rows(table):
        reader.read(row)
    guessed = reader.guess_seasons(archived)
    detected = table.decoded.encoding if table.decoded.detected else ""
    return CsvReading(reader.batches, reader.rejected, reader.rows, guessed, detected)


@dataclass(slots=True)
class _ReadGame:
    """A game of this file; ``disputed`` when another row gives it another score."""

    row: CsvRow
    game: GameFact
    result: Result | None
    disputed: bool = False


class _Reader:
    """Gathers the facts of one file; games that are in it twice are compared."""

    def __init__(
        self, source: str, leagues: Leagues, aliases: Aliases, now: datetime | None, only: League | None
    ) -> None:
        self._source = source
        self._leagues = leagues
        self._aliases = aliases
        self._now = now
        self._only = None if only is None else {name.casefold() for name in only.names}
        self._named: dict[str, tuple[League, FactBatch]] = {}
        self._seen: dict[tuple[str, str], _ReadGame] = {}
        self.batches: dict[League, FactBatch] = defaultdict(FactBatch)
        self.rejected: list[Rejected] = []
        self.rows = 0

    def read(self, row: CsvRow) -> None:
        if self._only is not None and row.cells.get("league", "").casefold() not in self._only and not row.damage:
            return
        self.rows += 1
        try:
            if row.damage:
                raise DamagedError(row.damage)
            league, batch = self._of_league(row.text("league"))
            game = _game(row, league, self._aliases)
            self._refuse_future_final(row, game)
        except (DamagedError, ResourceNotFoundError) as error:
            self._reject(row, "row", str(error))
            return
        result = self._result(row, league, game)
        game = game if result is not None else game._replace(status="unknown")
        seen = self._seen.get((league.key, game.game_id))
        if seen is not None:
            self._compare(batch, seen, _ReadGame(row, game, result))
            return
        self._seen[league.key, game.game_id] = _ReadGame(row, game, result)
        batch.games.append(game)
        if result is not None:
            batch.results.append(result)
        for prices in row.prices or (row,):
            self._read_prices(row, prices, league, game, batch)

    def guess_seasons(self, archived: Callable[[League], Iterable[GameFact]]) -> dict[League, Counter[int]]:
        """Give each game whose row states no season the one that its date shows; returns how many, by season."""
        guessed = {}
        for league, batch in self.batches.items():
            if any(game.season == UNSTATED for game in batch.games):
                batch.games, guessed[league] = complete_seasons(league, batch.games, archived(league))
        return guessed

    def _refuse_future_final(self, row: CsvRow, game: GameFact) -> None:
        """Raises DamagedError for a score of a game to come: its date, or the score, is wrong."""
        if self._now is None or not (row.optional("home_score") or row.optional("away_score")):
            return
        # A bare date may be that of a place fourteen hours ahead of UTC.
        begun = game.start_at - DATE_START - AHEAD_OF_UTC if game.date_only else game.start_at
        if begun > self._now:
            raise DamagedError(f"the game has a score, but starts in the future, at {game.start_at:%Y-%m-%d %H:%M}")

    def _of_league(self, name: str) -> tuple[League, FactBatch]:
        """The league of that name, and its facts in the file. Raises ResourceNotFoundError."""
        named = self._named.get(name)
        if named is None:
            league = self._leagues.get(name)
            named = self._named[name] = league, self.batches[league]
        return named

    def _result(self, row: CsvRow, league: League, game: GameFact) -> Result | None:
        try:
            return _result(row, league, game)
        except DamagedError as error:
            self._reject(row, "result", str(error))
            return None

    def _read_prices(self, row: CsvRow, prices: CsvRow, league: League, game: GameFact, batch: FactBatch) -> None:
        """Add the quotes of one book: ``prices`` is the row itself, or a part of it that holds the book's."""
        for moment, columns in QUOTES.items():
            try:
                quote = _quote(prices, game, moment, columns)
            except DamagedError as error:
                self._reject(row, "quote", str(error))
                continue
            if quote is None:
                continue
            kept, reasons = check_quote(quote, league)
            for reason in reasons:
                self._reject(row, "quote", reason)
            if kept is not None:
                batch.quotes.append(kept)

    def _compare(self, batch: FactBatch, first: _ReadGame, again: _ReadGame) -> None:
        """Compare a game that is given twice: the same again is nothing new, another score rejects both."""
        if _meeting(first.game) != _meeting(again.game):
            reason = f"{again.game.game_id} is another game on line {first.row.number}: {_meeting(first.game)}"
            self._reject(again.row, "row", reason)
        elif again.result is None:
            return
        elif first.result is None and not first.disputed:
            batch.games[batch.games.index(first.game)] = again.game
            batch.results.append(again.result)
            first.game, first.result = again.game, again.result
        elif first.result is None or first.result[3:5] != again.result[3:5]:
            self._dispute(batch, first, again)

    def _dispute(self, batch: FactBatch, first: _ReadGame, again: _ReadGame) -> None:
        lines = f"lines {first.row.number} and {again.row.number}"
        reason = f"{again.game.game_id} stands twice with different scores: {lines}"
        self._reject(again.row, "result", reason)
        if first.result is not None:
            batch.results.remove(first.result)
            self._reject(first.row, "result", reason)
        first.result, first.disputed = None, True

    def _reject(self, row: CsvRow, fact: str, reason: str) -> None:
        place = f"{self._source}:{row.number}"
        self.rejected.append(Rejected(self._source, place, fact, reason, str(row)))  # type: ignore[arg-type]


def _meeting(game: GameFact) -> str:
    return f"{game.home_team} v {game.away_team}, {game.start_at:%Y-%m-%d %H:%M}"


def _game(row: CsvRow, league: League, aliases: Aliases) -> GameFact:
    start, date_only = _start(row)
    home, away = (aliases.team(league, _named(row, side)) for side in ("home_team", "away_team"))
    if home == away:
        raise DamagedError(f"away_team: {away!r} plays itself")
    season = row.whole("season")
    if season is not None and not EARLIEST_YEAR <= season <= LATEST_YEAR:
        raise DamagedError(f"season: expected a year from {EARLIEST_YEAR} to {LATEST_YEAR}, got {season}")
    return GameFact(
        game_id=_named(row, "game_id"),
        known_at=start - LISTED_AHEAD,
        season=UNSTATED if season is None else season,
        start_at=start,
        date_only=date_only,
        home_team=home,
        away_team=away,
        neutral=row.yes("neutral"),
        playoff=row.yes("playoff"),
        status="final",
    )


def _named(row: CsvRow, column: str) -> str:
    """The id or name in a column. Raises DamagedError for one that the archive refuses."""
    text = row.text(column, LONGEST[column])
    if fault := fault_in(column, text):
        raise DamagedError(fault)
    return text


def _start(row: CsvRow) -> tuple[datetime, bool]:
    """When the game began, and whether the source gave only the date of it."""
    kickoff = row.moment("kickoff_utc")
    if kickoff is not None and row.has_time("kickoff_utc"):
        return kickoff, False
    day = kickoff or row.moment("game_date")
    if day is None:
        raise DamagedError("kickoff_utc and game_date are both empty")
    return midnight(day.date()) + DATE_START, True


def _result(row: CsvRow, league: League, game: GameFact) -> Result | None:
    home, away = row.whole("home_score"), row.whole("away_score")
    if home is None and away is None:
        return None
    if home is None or away is None:
        raise DamagedError(f"{'home_score' if home is None else 'away_score'} is empty while the other side has one")
    if fault := fault_of_score(league, home, away):
        raise DamagedError(f"home_score: {fault}")
    if home == away and league.ties == "impossible":
        raise DamagedError(f"home_score: {league.key} games cannot end level, got {home}-{away}")
    finished = row.moment("finished_utc")
    if finished is not None and finished <= game.start_at:
        raise DamagedError(f"finished_utc: {finished.isoformat()} is not after the start {game.start_at.isoformat()}")
    usual = game.start_at - DATE_START + DATE_KNOWN if game.date_only else game.start_at + league.duration
    ended = finished or usual
    return Result(
        game_id=game.game_id,
        known_at=ended,
        finished_at=ended,
        home_score=home,
        away_score=away,
        home_score_regulation=row.whole("home_score_reg"),
        away_score_regulation=row.whole("away_score_reg"),
        home_shots=row.whole("home_shots"),
        away_shots=row.whole("away_shots"),
        home_shots_on_target=row.whole("home_sot"),
        away_shots_on_target=row.whole("away_sot"),
    )


def _quote(row: CsvRow, game: GameFact, moment: str, columns: Mapping[str, str]) -> Quote | None:
    if row.absent or row.damaged:
        _refuse_lost(row, columns.values(), played=game.status == "final")
    if not any(map(row.cells.get, columns.values())):
        return None
    values = [row.decimal(column) for column in columns.values()]
    if values.count(None) == len(values):
        return None
    shown = game.start_at - OPENED_AHEAD if moment == "open" else game.start_at
    book = row.optional("odds_kind", LONGEST["book"]) or "market"
    if fault := fault_in("book", book):
        raise DamagedError(fault)
    return Quote(game.game_id, book, moment, shown, shown, *values)  # type: ignore[arg-type]


def _refuse_lost(row: CsvRow, columns: Collection[str], *, played: bool) -> None:
    """Raises DamagedError for a damaged price, and for one that the row of a played game ends before.

    Programs leave out blank cells at the end of a row, as in rows of games to come, which have no prices yet.
    """
    for column in columns:
        row.decimal(column)
        if played and column in row.absent:
            raise DamagedError(f"{column}: the row ends before this cell")

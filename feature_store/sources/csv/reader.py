"""CSV archives of finished games become facts; a damaged cell costs the fact it stands in and nothing else.

The columns are those of docs/data-scientists.md. Only ``league``, ``game_id``, ``game_date`` (or ``kickoff_utc``),
``home_team`` and ``away_team`` are needed. Such a file does not say when its facts became known: ``derived_times`` has
the rule for that.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from core.betting.leagues import League, Leagues
from core.clock import midnight
from core.errors import ResourceNotFoundError
from feature_store.archive.facts import Batch, Game, Quote, Rejected, Result
from feature_store.archive.quote_checks import checked
from feature_store.identity.team_aliases import NO_ALIASES, Aliases
from feature_store.sources.csv.lines import DamagedError, Line, read_lines
from feature_store.sources.derived_times import DATE_KNOWN, DATE_START, LISTED_AHEAD, OPENED_AHEAD
from feature_store.sources.seasons import guess_season

NEEDED: Final = ("league", "game_id", "home_team", "away_team", "home_score", "away_score")
DATES: Final = ("kickoff_utc", "game_date")
LONGEST_ID: Final = 120
LONGEST_TEAM: Final = 150
LONGEST_BOOK: Final = 64
"""Characters, as the archive's tables hold them: a longer text would take its whole file with it."""

QUOTES: Final[Mapping[str, Mapping[str, str]]] = {
    "close": {
        "odds_home": "odds_home",
        "odds_draw": "odds_draw",
        "odds_away": "odds_away",
        "spread_line": "spread_line",
        "total_line": "total_line",
        "odds_over": "odds_over",
        "odds_under": "odds_under",
    },
    "open": {
        "odds_home": "odds_home_open",
        "odds_draw": "odds_draw_open",
        "odds_away": "odds_away_open",
        "spread_line": "spread_open",
        "total_line": "total_open",
    },
}
"""CSV column by quote field, in the order of ``Quote``, for each moment a row may quote."""


@dataclass(frozen=True)
class CsvReading:
    """The facts of one file by league, and what was rejected and why."""

    batches: Mapping[League, Batch]
    rejected: Sequence[Rejected]
    lines: int


def read_csv(
    path: Path, leagues: Leagues, aliases: Aliases = NO_ALIASES, lines: Iterable[Line] | None = None
) -> CsvReading:
    """Read one CSV or gzipped CSV file, its clubs under the names that the aliases give them.

    ``lines`` are those of the file as a mapping puts them into our columns; without it they are in them already.

    Raises ValidationError when the file cannot be opened or lacks a needed column.
    """
    reader = _Reader(path.name, leagues, aliases)
    for line in read_lines(path, NEEDED, DATES) if lines is None else lines:
        reader.read(line)
    return CsvReading(reader.batches, reader.rejected, reader.lines)


@dataclass(slots=True)
class _Seen:
    """A game that a line of this file told of; ``disputed`` when another line gave it another score."""

    line: Line
    game: Game
    result: Result | None
    disputed: bool = False


class _Reader:
    """Gathers the facts of one file; games that stand in it twice are compared."""

    def __init__(self, source: str, leagues: Leagues, aliases: Aliases) -> None:
        self._source = source
        self._leagues = leagues
        self._aliases = aliases
        self._named: dict[str, tuple[League, Batch]] = {}
        self._seen: dict[tuple[str, str], _Seen] = {}
        self.batches: dict[League, Batch] = defaultdict(Batch)
        self.rejected: list[Rejected] = []
        self.lines = 0

    def read(self, line: Line) -> None:
        self.lines += 1
        try:
            if line.damage:
                raise DamagedError(line.damage)
            league, batch = self._of_league(line.text("league"))
            game = _game(line, league, self._aliases)
        except (DamagedError, ResourceNotFoundError) as error:
            self._reject(line, "row", str(error))
            return
        result = self._result(line, league, game)
        game = game if result is not None else game._replace(status="unknown")
        seen = self._seen.get((league.key, game.game_id))
        if seen is not None:
            self._compare(batch, seen, _Seen(line, game, result))
            return
        self._seen[league.key, game.game_id] = _Seen(line, game, result)
        batch.games.append(game)
        if result is not None:
            batch.results.append(result)
        batch.quotes += self._quotes(line, league, game)

    def _of_league(self, name: str) -> tuple[League, Batch]:
        """The league called that, and what the file holds of it. Raises ResourceNotFoundError."""
        found = self._named.get(name)
        if found is None:
            league = self._leagues.get(name)
            found = self._named[name] = league, self.batches[league]
        return found

    def _result(self, line: Line, league: League, game: Game) -> Result | None:
        try:
            return _result(line, league, game)
        except DamagedError as error:
            self._reject(line, "result", str(error))
            return None

    def _quotes(self, line: Line, league: League, game: Game) -> Iterator[Quote]:
        for moment, columns in QUOTES.items():
            try:
                quote = _quote(line, game, moment, columns)
            except DamagedError as error:
                self._reject(line, "quote", str(error))
                continue
            if quote is None:
                continue
            kept, reasons = checked(quote, league)
            for reason in reasons:
                self._reject(line, "quote", reason)
            if kept is not None:
                yield kept

    def _compare(self, batch: Batch, first: _Seen, again: _Seen) -> None:
        """A game given twice: the same again is nothing new, another score makes neither believable."""
        if _meeting(first.game) != _meeting(again.game):
            reason = f"{again.game.game_id} is another game on line {first.line.number}: {_meeting(first.game)}"
            self._reject(again.line, "row", reason)
        elif again.result is None:
            return
        elif first.result is None and not first.disputed:
            batch.games[batch.games.index(first.game)] = again.game
            batch.results.append(again.result)
            first.game, first.result = again.game, again.result
        elif first.result is None or first.result[3:5] != again.result[3:5]:
            self._dispute(batch, first, again)

    def _dispute(self, batch: Batch, first: _Seen, again: _Seen) -> None:
        lines = f"lines {first.line.number} and {again.line.number}"
        reason = f"{again.game.game_id} stands twice with different scores: {lines}"
        self._reject(again.line, "result", reason)
        if first.result is not None:
            batch.results.remove(first.result)
            self._reject(first.line, "result", reason)
        first.result, first.disputed = None, True

    def _reject(self, line: Line, fact: str, reason: str) -> None:
        place = f"{self._source}:{line.number}"
        self.rejected.append(Rejected(self._source, place, fact, reason, str(line)))  # type: ignore[arg-type]


def _meeting(game: Game) -> str:
    return f"{game.home_team} v {game.away_team}, {game.start_at:%Y-%m-%d %H:%M}"


def _game(line: Line, league: League, aliases: Aliases) -> Game:
    start, date_only = _start(line)
    home, away = (aliases.team(league, line.text(side, LONGEST_TEAM)) for side in ("home_team", "away_team"))
    if home == away:
        raise DamagedError(f"away_team: {away!r} plays itself")
    season = line.whole("season")
    return Game(
        game_id=line.text("game_id", LONGEST_ID),
        known_at=start - LISTED_AHEAD,
        season=season if season is not None else guess_season(league, start),
        start_at=start,
        date_only=date_only,
        home_team=home,
        away_team=away,
        neutral=line.yes("neutral"),
        playoff=line.yes("playoff"),
        status="final",
    )


def _start(line: Line) -> tuple[datetime, bool]:
    """When the game began, and whether the source gave only the date of it."""
    kickoff = line.moment("kickoff_utc")
    if kickoff is not None and line.has_time("kickoff_utc"):
        return kickoff, False
    day = kickoff or line.moment("game_date")
    if day is None:
        raise DamagedError("kickoff_utc and game_date are both empty")
    return midnight(day.date()) + DATE_START, True


def _result(line: Line, league: League, game: Game) -> Result | None:
    home, away = line.whole("home_score"), line.whole("away_score")
    if home is None and away is None:
        return None
    if home is None or away is None:
        raise DamagedError(f"{'home_score' if home is None else 'away_score'} is empty while the other side has one")
    if home == away and league.ties == "impossible":
        raise DamagedError(f"home_score: {league.key} games cannot end level, got {home}-{away}")
    finished = line.moment("finished_utc")
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
        home_score_regulation=line.whole("home_score_reg"),
        away_score_regulation=line.whole("away_score_reg"),
        home_shots=line.whole("home_shots"),
        away_shots=line.whole("away_shots"),
        home_shots_on_target=line.whole("home_sot"),
        away_shots_on_target=line.whole("away_sot"),
    )


def _quote(line: Line, game: Game, moment: str, columns: Mapping[str, str]) -> Quote | None:
    if not any(map(line.cells.get, columns.values())):
        return None
    values = [line.decimal(column) for column in columns.values()]
    if values.count(None) == len(values):
        return None
    shown = game.start_at - OPENED_AHEAD if moment == "open" else game.start_at
    book = line.optional("odds_kind", LONGEST_BOOK) or "market"
    return Quote(game.game_id, book, moment, shown, shown, *values)  # type: ignore[arg-type]

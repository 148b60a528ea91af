"""CSV archives of finished games become facts; a damaged cell costs the fact it stands in and nothing else.

The columns are those of docs/data-scientists.md. Only ``league``, ``game_id``, ``game_date`` (or
``kickoff_utc``), ``home_team`` and ``away_team`` are needed. Because such a file says nothing of when
things became known, each fact gets the earliest moment at which it safely was:

* a game two weeks before its start, which is the kick-off, or 16:00 UTC where only a date is given;
* an opening quote a day before the start, a closing one at the start;
* a result when the league's usual duration has passed, or at 10:00 UTC of the next day for a bare date.
"""

import csv
import gzip
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from core.betting.leagues import League, Leagues
from core.errors import ResourceNotFoundError, ValidationError
from feature_store.facts import Batch, Game, Quote, Rejected, Result

NEEDED: Final = ("league", "game_id", "home_team", "away_team", "home_score", "away_score")
EXTRA_CELLS: Final = "cells past the header"
DATES: Final = ("kickoff_utc", "game_date")
LISTED_AHEAD: Final = timedelta(days=14)
OPENED_AHEAD: Final = timedelta(days=1)
DATE_START: Final = timedelta(hours=16)
DATE_KNOWN: Final = timedelta(days=1, hours=10)
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
"""Quote field by CSV column, for each moment a row may quote."""


class DamagedError(ValueError):
    """A cell that cannot be believed; the text says which and why."""


@dataclass(frozen=True)
class Line:
    """One CSV row and where it stood."""

    number: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        value = (self.cells.get(column) or "").strip()
        if not value:
            raise DamagedError(f"{column} is empty")
        return value

    def whole(self, column: str) -> int | None:
        value = (self.cells.get(column) or "").strip()
        if not value:
            return None
        try:
            number = float(value)
        except ValueError:
            raise DamagedError(f"{column}: expected a whole number, got {value!r}") from None
        if not number.is_integer() or number < 0:
            raise DamagedError(f"{column}: expected a whole number from 0, got {value!r}")
        return int(number)

    def decimal(self, column: str) -> float | None:
        value = (self.cells.get(column) or "").strip()
        if not value:
            return None
        try:
            number = float(value)
        except ValueError:
            raise DamagedError(f"{column}: expected a number, got {value!r}") from None
        if not math.isfinite(number):
            raise DamagedError(f"{column}: expected a finite number, got {value!r}")
        return number

    def yes(self, column: str) -> bool:
        value = (self.cells.get(column) or "0").strip().lower()
        if value not in ("0", "1", "", "true", "false"):
            raise DamagedError(f"{column}: expected 0 or 1, got {value!r}")
        return value in ("1", "true")

    def moment(self, column: str) -> datetime | None:
        value = (self.cells.get(column) or "").strip()
        if not value:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise DamagedError(f"{column}: expected an ISO date or time, got {value!r}") from None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.cells.items() if value)[:2000]


@dataclass(frozen=True)
class CsvReading:
    """The facts of one file by league, and what was rejected and why."""

    batches: Mapping[League, Batch]
    rejected: Sequence[Rejected]
    lines: int


def read_csv(path: Path, leagues: Leagues) -> CsvReading:
    """Read one CSV or gzipped CSV file.

    Raises ValidationError when the file cannot be opened or lacks a needed column.
    """
    reader = _Reader(path.name, leagues)
    for line in _lines(path):
        reader.read(line)
    return CsvReading(reader.batches, reader.rejected, reader.lines)


def csv_files(paths: list[Path]) -> list[Path]:
    """The CSV files among the paths and directly inside the folders among them. Raises ValidationError if none."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ValidationError(f"PATH: there is no {path}.", field="PATH")
        files += sorted((*path.glob("*.csv"), *path.glob("*.csv.gz"))) if path.is_dir() else [path]
    if not files:
        msg = f"PATH: no .csv or .csv.gz file in {', '.join(map(str, paths))}."
        raise ValidationError(msg, field="PATH")
    return files


def _lines(path: Path) -> Iterator[Line]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text, restkey=EXTRA_CELLS, restval="")
            columns = rows.fieldnames or []
            missing = [column for column in NEEDED if column not in columns]
            if not any(column in columns for column in DATES):
                missing.append(" or ".join(DATES))
            if missing:
                msg = f"{path}: column {missing[0]} is missing; the file has {', '.join(columns) or 'no columns'}."
                raise ValidationError(msg, field=missing[0])
            for row in rows:
                yield Line(rows.line_num, row)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise ValidationError(f"{path}: cannot be read as CSV: {error}.", field="PATH") from error


class _Reader:
    """Gathers the facts of one file; games that stand in it twice are compared."""

    def __init__(self, source: str, leagues: Leagues) -> None:
        self._source = source
        self._leagues = leagues
        self._seen: dict[tuple[str, str], tuple[Line, Result | None]] = {}
        self.batches: dict[League, Batch] = defaultdict(Batch)
        self.rejected: list[Rejected] = []
        self.lines = 0

    def read(self, line: Line) -> None:
        self.lines += 1
        try:
            if EXTRA_CELLS in line.cells:
                raise DamagedError("the row has more cells than the header")
            league = self._leagues.get(line.text("league"))
            game = _game(line, league)
        except (DamagedError, ResourceNotFoundError) as error:
            self._reject(line, "row", str(error))
            return
        result = self._result(line, league, game)
        if (league.key, game.game_id) in self._seen:
            self._compare(line, league, game, result)
            return
        self._seen[league.key, game.game_id] = (line, result)
        batch = self.batches[league]
        batch.games.append(game if result is not None else game._replace(status="unknown"))
        if result is not None:
            batch.results.append(result)
        batch.quotes += self._quotes(line, game)

    def _result(self, line: Line, league: League, game: Game) -> Result | None:
        try:
            return _result(line, league, game)
        except DamagedError as error:
            self._reject(line, "result", str(error))
            return None

    def _quotes(self, line: Line, game: Game) -> Iterator[Quote]:
        for moment, columns in QUOTES.items():
            try:
                quote = _quote(line, game, moment, columns)
            except DamagedError as error:
                self._reject(line, "quote", str(error))
                continue
            if quote is not None:
                yield quote

    def _compare(self, line: Line, league: League, game: Game, result: Result | None) -> None:
        """A game given twice: the same again is nothing new, another score makes neither believable."""
        first_line, first = self._seen[league.key, game.game_id]
        if first is None or result is None or first[3:5] == result[3:5]:
            return
        reason = (
            f"{game.game_id} stands twice with different scores: {first.home_score}-{first.away_score} on line "
            f"{first_line.number} and {result.home_score}-{result.away_score} on line {line.number}"
        )
        self._reject(line, "result", reason)
        batch = self.batches[league]
        if first in batch.results:
            batch.results.remove(first)
            self._reject(first_line, "result", reason)

    def _reject(self, line: Line, fact: str, reason: str) -> None:
        place = f"{self._source}:{line.number}"
        self.rejected.append(Rejected(self._source, place, fact, reason, str(line)))  # type: ignore[arg-type]


def _game(line: Line, league: League) -> Game:
    kickoff = line.moment("kickoff_utc")
    day = None if kickoff else _day(line)
    start = kickoff or datetime(day.year, day.month, day.day, tzinfo=UTC) + DATE_START  # type: ignore[union-attr]
    home, away = line.text("home_team"), line.text("away_team")
    if home == away:
        raise DamagedError(f"away_team: {away!r} plays itself")
    season = line.whole("season")
    return Game(
        game_id=line.text("game_id"),
        known_at=start - LISTED_AHEAD,
        season=season if season is not None else _season(start, league),
        start_at=start,
        date_only=kickoff is None,
        home_team=home,
        away_team=away,
        neutral=line.yes("neutral"),
        playoff=line.yes("playoff"),
        status="final",
    )


def _day(line: Line) -> date:
    moment = line.moment("game_date")
    if moment is None:
        raise DamagedError("kickoff_utc and game_date are both empty")
    return moment.date()


def _season(start: datetime, league: League) -> int:
    """The year in which the season began: seasons that span two years turn over in July."""
    return start.year if league.sport == "baseball" or start.month >= 7 else start.year - 1


def _result(line: Line, league: League, game: Game) -> Result | None:
    home, away = line.whole("home_score"), line.whole("away_score")
    if home is None and away is None:
        return None
    if home is None or away is None:
        raise DamagedError(f"{'home_score' if home is None else 'away_score'} is empty while the other side has one")
    if home == away and league.ties == "impossible":
        raise DamagedError(f"home_score: {league.key} games cannot end level, got {home}-{away}")
    finished = line.moment("finished_utc")
    if finished is not None and finished < game.start_at:
        raise DamagedError(f"finished_utc: {finished.isoformat()} is before the start {game.start_at.isoformat()}")
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
    values = {name: line.decimal(column) for name, column in columns.items()}
    if all(value is None for value in values.values()):
        return None
    for name, value in values.items():
        if name.startswith("odds_") and value is not None and value <= 1:
            raise DamagedError(f"{columns[name]}: decimal odds are above 1, got {value:g}")
    shown = game.start_at - (OPENED_AHEAD if moment == "open" else timedelta(0))
    book = (line.cells.get("odds_kind") or "").strip() or "market"
    return Quote(game.game_id, book, moment, shown, shown, **values)  # type: ignore[arg-type]

"""The layout of football-data.co.uk's season files: one row per game, with the prices of several books side by side."""

import csv
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from core.betting.leagues import League, Leagues
from feature_store.archive.facts import FactBatch
from feature_store.identity.team_aliases import Aliases
from feature_store.sources.csv.mapping import CsvMapping, Formats
from feature_store.sources.csv.reader import CsvReading, read_csv

GAME_COLUMNS: Final[Mapping[str, str]] = {
    "game_date": "Date", "kickoff_time": "Time", "home_team": "HomeTeam", "away_team": "AwayTeam", "home_score": "FTHG",
    "away_score": "FTAG", "home_shots": "HS", "away_shots": "AS", "home_sot": "HST", "away_sot": "AST",
}  # fmt: skip
MONEYLINE: Final[Mapping[str, tuple[str, str]]] = {
    "market_average": ("AvgC", "Avg"),
    "bet365": ("B365C", "B365"),
    "pinnacle": ("PSC", "PS"),
}
"""By book, what its closing and its opening columns begin with; the opening prices are those of days before."""

AVERAGE_LINES: Final[Mapping[str, str]] = {
    "odds_over": "AvgC>2.5", "odds_under": "AvgC<2.5", "spread_line": "AHCh", "spread_open": "AHh",
}  # fmt: skip
FORMATS: Final = Formats(
    date=("%d/%m/%Y", "%d/%m/%y"), time_zone=ZoneInfo("Europe/London"), odds="decimal", spread="bookmaker"
)


def read_season_file(path: Path, leagues: Leagues, league: League, season: int, aliases: Aliases) -> CsvReading:
    """Read a season's file, once per book: games and results as the first reading gives them, quotes of all.

    Raises ValidationError when the file cannot be read or lacks a needed column.
    """
    header = set(next(csv.reader(path.read_text(encoding="utf-8").splitlines()), []))
    readings = [
        read_csv(path, leagues, aliases, _mapping(book, header, league, season).rows(path)) for book in MONEYLINE
    ]
    first = readings[0].batches.get(league, FactBatch())
    quotes = [
        quote
        for quote in chain.from_iterable(reading.batches.get(league, FactBatch()).quotes for reading in readings)
        if quote.odds_home is not None or quote.odds_over is not None
    ]
    rejected = {
        (item.place, item.fact, item.reason, item.content if item.fact == "quote" else ""): item
        for item in chain.from_iterable(reading.rejected for reading in readings)
    }
    return CsvReading(
        {league: FactBatch(first.games, first.results, quotes)}, list(rejected.values()), readings[0].rows
    )


def _mapping(book: str, header: set[str], league: League, season: int) -> CsvMapping:
    """What the season's columns mean for one book; seasons differ in what they have."""
    closing, opening = MONEYLINE[book]
    columns = {
        **GAME_COLUMNS,
        **{f"odds_{side}": f"{closing}{side[0].upper()}" for side in ("home", "draw", "away")},
        **{f"odds_{side}_open": f"{opening}{side[0].upper()}" for side in ("home", "draw", "away")},
        **(AVERAGE_LINES if book == "market_average" else {}),
    }
    needed = ("game_date", "home_team", "away_team", "home_score", "away_score")
    present = {ours: theirs for ours, theirs in columns.items() if theirs in header or ours in needed}
    constants = {"league": league.key, "season": str(season), "odds_kind": book}
    if "odds_over" in present:
        constants["total_line"] = "2.5"
    return CsvMapping(Path("football-data"), present, constants, {}, FORMATS)

"""A league's facts as columns.

Game ids and team names are replaced by their place in sorted lists, moments by seconds since 1970.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]
MOMENT_ORDER = {"open": 0, "last": 1, "close": 2}


@dataclass(frozen=True, eq=False)
class GameColumns:
    """Versions of games, sorted by game and known at."""

    game: Indices
    known: FloatArray
    season: FloatArray
    start: FloatArray
    home: Indices
    away: Indices
    neutral: Flags
    playoff: Flags
    void: Flags
    due: Flags
    """Neither called off, nor begun or ended as far as known."""


@dataclass(frozen=True, eq=False)
class ResultColumns:
    """Versions of results, sorted by game and known at; a score that was taken back is NaN."""

    game: Indices
    known: FloatArray
    finish: FloatArray
    home: FloatArray
    away: FloatArray
    shots: FloatArray
    """Home and away, shape (results, 2); NaN where shots were not counted."""
    on_target: FloatArray


@dataclass(frozen=True, eq=False)
class QuoteColumns:
    """Quotes sorted by game, book, known at and kind; odds and lines that were not shown are NaN."""

    game: Indices
    book: Indices
    known: FloatArray
    quoted: FloatArray
    odds: FloatArray
    """Home, draw, away; shape (quotes, 3)."""
    spread: FloatArray
    total: FloatArray
    over: FloatArray
    """P(over the total line) without the overround; NaN where one of its two prices was not shown."""

    shown: dict[int, tuple[FloatArray, Flags]] = field(default_factory=dict)
    """Cache of ``point_in_time``: the markets side by side, by the league's number of outcomes."""


@dataclass(frozen=True, eq=False)
class FactColumns:
    """All facts of a league's games, in columns."""

    game_ids: Sequence[str]
    teams: Sequence[str]
    games: GameColumns
    results: ResultColumns
    quotes: QuoteColumns
    versions: Sequence[GameFact]
    """The games as facts, in the order of ``games``."""


def columns_of(facts: FactBatch) -> FactColumns:
    """The columns of a batch of facts."""
    ids = sorted({game.game_id for game in facts.games})
    place = {game_id: index for index, game_id in enumerate(ids)}
    teams = sorted({team for game in facts.games for team in (game.home_team, game.away_team)})
    versions = sorted(facts.games, key=lambda game: (game.game_id, game.known_at))
    results = [result for result in facts.results if result.game_id in place]
    return FactColumns(
        ids,
        teams,
        _games(versions, place, teams),
        _results(results, place),
        quote_columns(facts.quotes, place),
        versions,
    )


def _games(versions: Sequence[GameFact], place: dict[str, int], teams: Sequence[str]) -> GameColumns:
    team = {name: index for index, name in enumerate(teams)}
    return GameColumns(
        game=_whole(place[game.game_id] for game in versions),
        known=_seconds(game.known_at for game in versions),
        season=_numbers(game.season for game in versions),
        start=_seconds(game.start_at for game in versions),
        home=_whole(team[game.home_team] for game in versions),
        away=_whole(team[game.away_team] for game in versions),
        neutral=_flags(game.neutral for game in versions),
        playoff=_flags(game.playoff for game in versions),
        void=_flags(game.status == "void" for game in versions),
        due=_flags(game.status in ("scheduled", "unknown") for game in versions),
    )


def _results(results: Sequence[Result], place: dict[str, int]) -> ResultColumns:
    ordered = sorted(results, key=lambda result: (result.game_id, result.known_at))
    return ResultColumns(
        game=_whole(place[result.game_id] for result in ordered),
        known=_seconds(result.known_at for result in ordered),
        finish=_seconds(result.finished_at for result in ordered),
        home=_numbers(result.home_score for result in ordered),
        away=_numbers(result.away_score for result in ordered),
        shots=_pairs((result.home_shots, result.away_shots) for result in ordered),
        on_target=_pairs((result.home_shots_on_target, result.away_shots_on_target) for result in ordered),
    )


def quote_columns(quotes: Iterable[Quote], place: Mapping[str, int]) -> QuoteColumns:
    """The quotes of those games that have a place."""
    shown = [quote for quote in quotes if quote.game_id in place]
    ordered = sorted(
        shown, key=lambda quote: (place[quote.game_id], quote.book, quote.known_at, MOMENT_ORDER[quote.moment])
    )
    books = {book: index for index, book in enumerate(sorted({quote.book for quote in ordered}))}
    over, under = (_numbers(getattr(quote, name) for quote in ordered) for name in ("odds_over", "odds_under"))
    odds = [(quote.odds_home, quote.odds_draw, quote.odds_away) for quote in ordered]
    return QuoteColumns(
        game=_whole(place[quote.game_id] for quote in ordered),
        book=_whole(books[quote.book] for quote in ordered),
        known=_seconds(quote.known_at for quote in ordered),
        quoted=_seconds(quote.quoted_at for quote in ordered),
        odds=np.array(odds, dtype=np.float64).reshape(len(ordered), 3),
        spread=_numbers(quote.spread_line for quote in ordered),
        total=_numbers(quote.total_line for quote in ordered),
        over=under / (over + under),
    )


def starts_anew(*columns: NDArray[Any]) -> Flags:
    """True where any of the columns differs from the entry before, and at the first entry."""
    fresh = np.ones(len(columns[0]), dtype=np.bool_)
    if len(fresh):
        fresh[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return fresh


def seconds(moment: datetime) -> float:
    """A moment as the columns hold it."""
    return moment.timestamp()


def _seconds(moments: Iterable[datetime]) -> FloatArray:
    return np.fromiter((moment.timestamp() for moment in moments), dtype=np.float64)


def _numbers(values: Iterable[Any]) -> FloatArray:
    return np.fromiter((np.nan if value is None else value for value in values), dtype=np.float64)


def _pairs(values: Iterable[tuple[Any, Any]]) -> FloatArray:
    return np.array([[np.nan if v is None else v for v in pair] for pair in values], dtype=np.float64).reshape(-1, 2)


def _whole(values: Iterable[int]) -> Indices:
    return np.fromiter(values, dtype=np.int64)


def _flags(values: Iterable[bool]) -> Flags:
    return np.fromiter(values, dtype=np.bool_)

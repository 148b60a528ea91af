"""A market has moved when a book has, not when another book joins in."""

from datetime import timedelta
from math import isnan, log

import pytest

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.archive.facts import FactBatch, GameFact, Quote
from feature_store.features.sets import EVERYTHING
from feature_store.rows.replay import coming_rows
from tests.generated import FIRST_DAY

NFL = Leagues(BUILT_IN).get("NFL")
START = FIRST_DAY + timedelta(days=14)
GAME = GameFact("g1", FIRST_DAY, 2022, START, False, "Alder", "Birch", False, False, "scheduled")


def shown(book: str, hours_before: int, home: float, away: float) -> Quote:
    at = START - timedelta(hours=hours_before)
    return Quote("g1", book, "last", at, at, odds_home=home, odds_away=away)


def move(*quotes: Quote) -> float:
    (row,), _ = coming_rows(NFL, FactBatch([GAME], [], list(quotes)), EVERYTHING, START - timedelta(hours=1))
    return row.values[EVERYTHING.names.index("market_move")]


def test_a_book_that_joins_in_late_with_another_price_moves_nothing() -> None:
    steady = shown("first", 48, 2.0, 2.0), shown("first", 24, 1.95, 1.95)
    assert move(*steady) == pytest.approx(0)
    assert move(*steady, shown("second", 12, 1.5, 3.0)) == pytest.approx(0)


def test_a_book_that_moves_counts_and_one_that_spoke_once_is_not_known() -> None:
    moved = shown("first", 48, 2.0, 2.0), shown("first", 24, 1.5, 3.0)
    assert move(*moved, shown("second", 12, 2.0, 2.0)) == pytest.approx(log(2))
    assert isnan(move(shown("first", 48, 2.0, 2.0)))

"""How a price has moved at each book, and where several books moved together."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.betting.books.movement import STEAM_BOOKS, STEAM_WINDOW, PricePoint, book_movement, find_steam
from tests.conftest import NOW

MINUTE = timedelta(minutes=1)


def point(minute: float, chance: float, line: float | None = None) -> PricePoint:
    return PricePoint(NOW + minute * MINUTE, 1 / chance, chance, line)


def per_point(before: float, after: float) -> float:
    """A point of the line is worth 3 %."""
    return 0.03 * (after - before)


def test_a_price_that_has_not_changed_has_not_moved() -> None:
    alone = book_movement("a", [point(0, 0.5)], per_point)
    assert (alone.moved, alone.changes) == (0, 0)


def test_a_harder_line_at_the_same_odds_is_a_move_for_the_side() -> None:
    moved = book_movement("a", [point(0, 0.5, -3.0), point(60, 0.5, -4.0)], per_point)
    assert moved.moved == pytest.approx(0.03)


def test_three_books_within_the_time_are_steam_and_two_are_not() -> None:
    paths = {book: [point(0, 0.50), point(100 + delay, 0.53)] for book, delay in (("a", 0), ("b", 5), ("c", 15))}
    (steam,) = find_steam(paths, per_point)
    assert (steam.books, steam.since, steam.until) == (("a", "b", "c"), NOW + 100 * MINUTE, NOW + 115 * MINUTE)
    assert steam.moved == pytest.approx(0.03)
    assert find_steam({book: paths[book] for book in "ab"}, per_point) == []
    late = {**paths, "c": [point(0, 0.50), point(116, 0.53)]}
    assert find_steam(late, per_point) == []


def test_books_that_move_apart_are_no_steam() -> None:
    paths = {
        "a": [point(0, 0.5), point(10, 0.53)],
        "b": [point(0, 0.5), point(10, 0.47)],
        "c": [point(0, 0.5), point(11, 0.53)],
    }
    assert find_steam(paths, per_point) == []


def test_small_changes_are_noise() -> None:
    paths = {book: [point(0, 0.500), point(10, 0.509)] for book in "abcd"}
    assert find_steam(paths, per_point) == []


@given(
    st.dictionaries(
        st.sampled_from("abcde"), st.lists(st.tuples(st.integers(0, 120), st.floats(0.2, 0.8)), min_size=1, max_size=6)
    )
)
def test_steam_is_always_of_several_books_within_the_time_and_each_move_counts_once(
    paths: dict[str, list[tuple[int, float]]],
) -> None:
    points = {book: [point(*one) for one in sorted(path)] for book, path in paths.items()}
    found = find_steam(points, per_point)
    for steam in found:
        assert len(set(steam.books)) >= STEAM_BOOKS
        assert timedelta(0) <= steam.until - steam.since <= STEAM_WINDOW
        assert steam.moved != 0
    for direction in (1, -1):
        own = [steam for steam in found if steam.moved * direction > 0]
        assert all(one.until <= other.since for one, other in pairwise(own))

"""Quotes, their freshness, their consensus and the best price among them."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.betting.books.best_price import best_price, quoted_bets
from core.betting.books.consensus import consensus
from core.betting.books.quotes import BookQuote, FreshnessRule, book_key, count_fresh, newest_first
from core.betting.markets import MarketSelection
from core.betting.odds import devig
from tests.conftest import NOW

RULE = FreshnessRule()
MINUTE = timedelta(minutes=1)
START = NOW + timedelta(hours=5)
HOME = MarketSelection("moneyline", "home")


def quote(book: str, home: float, away: float, *, age: float = 1, **prices: float) -> BookQuote:
    return BookQuote(book, NOW - age * MINUTE, odds_home=home, odds_away=away, **prices)


def test_one_book_alone_is_its_own_consensus() -> None:
    alone = consensus([quote("a", 1.8, 2.1)], outcomes=2, method="power")
    assert alone.view.outcome == pytest.approx(devig([[1.8, 2.1]], "power")[0])
    assert (alone.books, alone.agreement["outcome"].disagreement) == (1, 0)


def test_the_mean_book_has_the_mean_chances_and_the_mean_overround() -> None:
    even, long = consensus([quote("a", 1.9, 1.9)], outcomes=2), consensus([quote("b", 3.8, 1.2667)], outcomes=2)
    both = consensus([quote("a", 1.9, 1.9), quote("b", 3.8, 1.2667)], outcomes=2)
    assert even.view.outcome is not None
    assert long.view.outcome is not None
    assert both.view.outcome is not None
    assert both.view.outcome[0] == pytest.approx((even.view.outcome[0] + long.view.outcome[0]) / 2)
    assert both.agreement["outcome"].disagreement == pytest.approx(0.125, abs=1e-4)


def test_a_book_with_more_weight_counts_more() -> None:
    quotes = [quote("a", 2.0, 2.0), quote("b", 4.0, 4 / 3)]
    weighted = consensus(quotes, outcomes=2, weights={"a": 3.0})
    assert weighted.view.outcome is not None
    assert weighted.view.outcome[0] == pytest.approx((3 * 0.5 + 0.25) / 4)


def test_the_line_that_most_books_show_counts_with_its_chance() -> None:
    quotes = [
        quote("a", 2, 2, spread_line=3.0, odds_home_spread=1.8, odds_away_spread=2.2),
        quote("b", 2, 2, spread_line=3.0, odds_home_spread=2.0, odds_away_spread=2.0),
        quote("c", 2, 2, spread_line=3.5, odds_home_spread=2.0, odds_away_spread=2.0),
        quote("d", 2, 2, spread_line=9.0),
    ]
    view = consensus(quotes, outcomes=2).view
    assert (view.spread_line, view.total_line) == (3.0, None)
    assert view.cover == pytest.approx((2.2 / 4.0 + 0.5) / 2)


def test_spreads_without_prices_have_their_mean_line_at_even_chances() -> None:
    view = consensus([quote("a", 2, 2, spread_line=3.0), quote("b", 2, 2, spread_line=4.0)], outcomes=2).view
    assert (view.spread_line, view.cover) == (3.5, None)


def test_a_three_way_league_needs_the_draw() -> None:
    assert consensus([quote("a", 2, 4)], outcomes=3).view.outcome is None
    assert consensus([], outcomes=3).books == 0


def test_the_age_of_a_consensus_is_that_of_its_oldest_quote() -> None:
    both = consensus([quote("a", 2, 2, age=3), quote("b", 2, 2, age=50)], outcomes=2)
    assert both.agreement["outcome"].quoted_at == NOW - 50 * MINUTE


@pytest.mark.parametrize(
    ("until_start", "age", "counts"),
    [(300, 60, True), (300, 60.1, False), (60.1, 60, True), (60, 10, True), (60, 10.1, False), (1, 10, True)],
)
def test_a_quote_counts_for_an_hour_and_for_ten_minutes_in_the_last_hour(
    until_start: float, age: float, counts: bool
) -> None:
    shown = [quote("a", 2, 2, age=age)]
    assert count_fresh(shown, NOW, NOW + until_start * MINUTE, RULE) == counts


@given(ages=st.lists(st.floats(0, 200), max_size=8), later=st.floats(0, 200))
def test_no_quote_becomes_fresh_again(ages: list[float], later: float) -> None:
    quotes = newest_first(quote(str(number), 2, 2, age=age) for number, age in enumerate(ages))
    now = count_fresh(quotes, NOW, START, RULE)
    assert now >= count_fresh(quotes, NOW + later * MINUTE, START, RULE)
    oldest = [one.quoted_at for one in quotes[:now]]
    assert all(NOW - moment <= RULE.longest for moment in oldest)


def test_the_best_price_is_the_longest_that_may_be_displayed() -> None:
    quotes = [
        quote("a", 1.9, 2.0),
        quote("b", 2.1, 1.8, total_line=2.5, odds_over=2.0, odds_under=1.8),
        quote("c", 9.9, 1.0)._replace(displayed=False),
    ]
    best = best_price(quotes, HOME, outcomes=2)
    assert best is not None
    assert (best.book, best.decimal) == ("b", 2.1)
    assert best_price(quotes, MarketSelection("total", "over", 2.5), outcomes=2) is not None
    assert best_price(quotes, MarketSelection("total", "over", 3.5), outcomes=2) is None
    assert HOME in quoted_bets(quotes, outcomes=2)


def test_lines_have_the_bookmakers_sign() -> None:
    shown = [quote("a", 1.5, 2.6, spread_line=3.5, odds_home_spread=1.9, odds_away_spread=1.95)]
    home = best_price(shown, MarketSelection("spread", "home", -3.5), outcomes=2)
    away = best_price(shown, MarketSelection("spread", "away", 3.5), outcomes=2)
    assert home is not None
    assert away is not None
    assert (home.decimal, away.decimal) == (1.9, 1.95)


def test_both_teams_score_is_a_bet_of_its_own() -> None:
    shown = [BookQuote("a", datetime(2024, 1, 1).astimezone(), odds_both_score=1.7, odds_not_both_score=2.1)]
    assert quoted_bets(shown, outcomes=3) == [MarketSelection("both_teams_score", side) for side in ("yes", "no")]


@pytest.mark.parametrize(
    "shown",
    [
        {"odds_home": 1_000.0},
        {"odds_home": 50.0, "odds_away": 50.0},
        {"total_line": 2.5, "odds_over": 90.0},
        {"total_line": 2.6, "odds_over": 1.9, "odds_under": 1.95},
        {"spread_line": 1 / 3, "odds_home_spread": 1.9, "odds_away_spread": 1.95},
        {"odds_not_both_score": 70.0},
    ],
    ids=lambda shown: " ".join(shown),
)
def test_a_market_without_a_side_and_a_line_of_no_bet_offer_nothing(shown: dict[str, float]) -> None:
    """Of one side alone a typing error cannot be seen; no bet has a line between the quarters."""
    assert quoted_bets([BookQuote("a", NOW, **shown)], outcomes=3) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [("Bet365", "bet365"), ("William Hill", "williamhill"), ("Unibet", "unibet_eu"), ("888Sport", "sport888")],
)
def test_one_book_in_the_spellings_of_two_sources_is_one_book(one: str, other: str) -> None:
    assert book_key(one) == book_key(other)


@given(name=st.text(min_size=1))
def test_every_name_of_a_book_has_a_key(name: str) -> None:
    assert book_key(name)
    assert book_key(f"{name}x") != book_key(f"{name}y")

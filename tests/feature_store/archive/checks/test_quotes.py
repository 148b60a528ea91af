"""A market that contradicts itself is rejected with its number, and takes nothing else of the quote with it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.archive.checks.quotes import check_quote
from feature_store.archive.facts import Quote
from feature_store.sources.csv.reader import read_csv
from feature_store.sources.library import sample

START = datetime(2024, 4, 27, 14, tzinfo=UTC)
LEAGUES = Leagues(BUILT_IN)
EPL, NFL, NBA, MLB = (LEAGUES.get(key) for key in ("EPL", "NFL", "NBA", "MLB"))


def quote(**shown: float | None) -> Quote:
    return Quote("g1", "average", "close", START, START, **shown)  # type: ignore[arg-type]


@given(
    chances=st.lists(st.floats(0.05, 1), min_size=3, max_size=3),
    overround=st.floats(-0.5, 0.6).filter(lambda value: min(abs(value + 0.03), abs(value - 0.2)) > 1e-9),
)
def test_a_moneyline_is_kept_exactly_within_the_bounds_of_the_overround(chances: list[float], overround: float) -> None:
    home, draw, away = (sum(chances) / chance / (1 + overround) for chance in chances)
    shown = quote(odds_home=home, odds_draw=draw, odds_away=away, total_line=2.5)
    if min(home, draw, away) <= 1:
        return
    kept, reasons = check_quote(shown, EPL)
    if -0.03 <= overround <= 0.2:
        assert (kept, reasons) == (shown, ())
    else:
        assert kept == quote(total_line=2.5)
        assert f"the overround {overround:+.1%} lies outside [-3 %, +20 %]" in reasons[0]


@pytest.mark.parametrize(
    ("shown", "left", "reason"),
    [
        ({"odds_home": 1.0, "odds_draw": 3.9, "total_line": 2.5}, {"total_line": 2.5}, "odds_home: decimal odds are above 1, got 1"),
        ({"odds_over": 2.89, "odds_under": 1.63, "odds_home": 2.0}, {"odds_home": 2.0}, "over/under 2.89, 1.63: the overround -4.0%"),
        ({"odds_over": 0.5, "total_line": 2.5}, {"total_line": 2.5}, "odds_over: decimal odds are above 1, got 0.5"),
        ({"total_line": -110.0, "spread_line": 0.5}, {"spread_line": 0.5}, "total_line: expected 0 to 500, got -110"),
        ({"spread_line": 1960.0, "total_line": 2.5}, {"total_line": 2.5}, "spread_line: expected -150 to 150, got 1960"),
    ],
)  # fmt: skip
def test_a_wrong_market_leaves_the_others_alone(shown: dict[str, float], left: dict[str, float], reason: str) -> None:
    kept, reasons = check_quote(quote(**shown), EPL)
    assert kept == quote(**left)
    assert [text.startswith(f"close {reason}") for text in reasons] == [True]


def test_nothing_remains_of_a_quote_with_wrong_odds_alone() -> None:
    assert check_quote(quote(odds_home=1.1, odds_draw=1.1, odds_away=1.1), EPL).quote is None


@pytest.mark.parametrize("shown", [{"odds_home": 1.01}, {"odds_home": 9.0, "odds_away": 9.0}, {"odds_over": 9.0}])
def test_odds_that_are_too_few_for_an_overround_are_kept(shown: dict[str, float]) -> None:
    assert check_quote(quote(**shown), EPL) == (quote(**shown), ())


def test_a_two_way_price_is_checked_without_a_draw() -> None:
    assert check_quote(quote(odds_home=1.9, odds_away=1.9), NFL).reasons == ()
    assert "overround -22.1%" in check_quote(quote(odds_home=2.8, odds_away=2.37), NFL).reasons[0]


def test_a_three_way_price_is_none_in_a_league_of_two_outcomes_and_the_other_markets_stay() -> None:
    kept, reasons = check_quote(quote(odds_home=2.6, odds_draw=3.6, odds_away=3.0, total_line=44.5), NFL)
    assert kept == quote(total_line=44.5)
    assert reasons == ("close odds_draw 3.6: a three-way price, but NFL has two outcomes",)


@pytest.mark.parametrize(
    ("spread", "home", "away", "kept"),
    [
        (-3.5, 1.625, 2.4, False),  # nba_2013-02-20_707: it opened at +2.5
        (3.5, 2.4, 1.625, False),
        (3.5, 1.625, 2.4, True),
        (-2.5, 1.625, 2.4, True),  # the markets cross around a pick'em
        (3.0, 2.03, 1.88, True),  # nfl_2016-09-15_Jets_Bills, opening prices of different hours
    ],
)
def test_a_spread_whose_favourite_is_a_clear_underdog_by_the_odds_is_lost_and_the_odds_stay(
    spread: float, home: float, away: float, kept: bool
) -> None:
    shown = quote(odds_home=home, odds_away=away, spread_line=spread)
    left, reasons = check_quote(shown, NBA)
    assert left == (shown if kept else shown._replace(spread_line=None))
    assert [f"spread {spread:+g} has the opposite sign" in reason for reason in reasons] == ([] if kept else [True])


def test_a_run_line_is_not_a_forecast_of_the_margin() -> None:
    shown = quote(odds_home=1.2, odds_away=5.0, spread_line=-3.5)
    assert check_quote(shown, MLB) == (shown, ())
    assert check_quote(shown, MLB.model_copy(update={"scores": "points"})).quote == shown._replace(spread_line=None)


def test_every_price_of_the_sample_is_kept_and_rejected_if_the_book_kept_a_third_more() -> None:
    batch = sample.sample_batches(LEAGUES)[EPL]
    assert (len(batch.quotes), batch.rejected) == (380, [])
    for quote in batch.quotes:
        odds = {name: getattr(quote, name) / 1.34 for name in ("odds_home", "odds_draw", "odds_away")}
        kept, (reason,) = check_quote(quote._replace(**odds), EPL)
        assert "the overround" in reason or "decimal odds are above 1" in reason
        assert kept is None or kept.odds_home is None


REJECTED = {"BUNDESLIGA": 4, "EPL": 5, "LALIGA": 11, "MLB": 0, "NBA": 2, "NFL": 0, "NHL": 1}


@pytest.mark.parametrize("league", REJECTED)
def test_of_the_real_prices_only_a_handful_is_rejected(league: str, development_data: Path) -> None:
    reading = read_csv(development_data / f"{league}.csv.gz", LEAGUES)
    assert len([item for item in reading.rejected if item.fact == "quote"]) == REJECTED[league]

"""No price is judged without its age: what is too old, or shown by too few books, gives no value and no stake."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.betting.books.quotes import BookQuote, FreshnessRule, count_fresh, newest_first
from core.betting.markets import price
from core.betting.staking import parlay
from core.betting.value import Value
from core.registry.pooling_weight import PoolingWeight
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch
from feature_store.archive.sources.terms import SourceTerms, set_terms
from feature_store.rows.build import build
from serving.bets.valuation import BetValuation, stake_of
from tests.conftest import NOW
from tests.core.betting.one_game import goal_scores
from tests.serving.conftest import World
from tests.serving.models import EPL, prices
from tests.serving.models import price as quote_of
from tests.serving.service import MovingClock, eventually, settings_for, started

GOALS = goal_scores(1.7, 1.1)
MINUTE = timedelta(minutes=1)
START = NOW + timedelta(hours=30)
WEIGHT = PoolingWeight(devig="multiplicative", weight=0.5, error=0.02, games=5_000)
HOME = partial(price, market="moneyline", selection="home")
PRICE = "/v1/prices/soccer/EPL/EPL-102"
ages = st.floats(0, 180)
odds = st.tuples(st.floats(1.5, 3.5), st.floats(3.0, 4.5), st.floats(2.0, 6.0))
even = st.floats(1.6, 2.4)
odds_of_all = (
    *(st.floats(1.5, 3.5), st.floats(3.0, 4.5), st.floats(2.0, 6.0)),
    *(st.sampled_from([-1.0, -0.25, 0.0, 0.5, 0.75, 1.0]), st.sampled_from([2.0, 2.25, 2.5, 3.0])),
    *(even, even, even, even),
)


def valuation(quotes: list[tuple[float, tuple[float, ...]]], later: float = 0.0) -> BetValuation:
    """Of quotes of some ages [minutes] with odds in the order of ``BookQuote``, looked at some minutes later."""
    now = NOW + later * MINUTE
    shown = newest_first(
        BookQuote(f"book {number}", NOW - age * MINUTE, True, *odds) for number, (age, odds) in enumerate(quotes)
    )
    rule = FreshnessRule()
    return BetValuation(GOALS, WEIGHT, shown, count_fresh(shown, now, START, rule), rule, 3, START, stale=False)


def stake(judged: BetValuation, offered: float) -> float:
    return stake_of_all([(judged, {"market": "moneyline", "selection": "home"}, offered)], 100.0)


def stake_of_all(legs: list[tuple[BetValuation, dict[str, Any], float]], bankroll: float) -> float:
    """The stake of a bet, or of the parlay of several."""
    if any(judged.reason_against(NOW, bet["market"]) is not None for judged, bet, _ in legs):
        return 0.0
    valued = [judged.value(partial(price, **bet), offered) for judged, bet, offered in legs]
    whole = parlay([(pricing, leg[2]) for (pricing, _), leg in zip(valued, legs, strict=True)])
    low, high = (prod(1 + getattr(value, end) for _, value in valued) - 1 for end in ("low", "high"))
    return stake_of(whole.pricing, Value(whole.expected_value, low, high), whole.decimal_odds, bankroll)


@given(quotes=st.lists(st.tuples(ages, odds), max_size=6), later=ages, offered=st.floats(1.5, 5.0))
def test_a_stake_never_rises_with_the_age_of_the_prices(
    quotes: list[tuple[float, tuple[float, float, float]]], later: float, offered: float
) -> None:
    assert stake(valuation(quotes, later), offered) <= stake(valuation(quotes), offered) + 1e-9


@pytest.mark.parametrize(
    "bets",
    [
        [{"market": "draw_no_bet", "selection": "home"}],
        [{"market": "spread", "selection": "home", "line": -1.0}],
        [{"market": "total", "selection": "over", "line": 2.25}],
        [{"market": "draw_no_bet", "selection": "home"}, {"market": "total", "selection": "over", "line": 3.0}],
    ],
    ids=["draw no bet", "spread", "quarter line", "parlay"],
)
@given(quotes=st.lists(st.tuples(ages, st.tuples(*odds_of_all)), min_size=3, max_size=5), later=ages, data=st.data())
def test_neither_does_that_of_a_bet_that_can_be_returned_nor_of_a_parlay(
    bets: list[dict[str, Any]], quotes: list[tuple[float, tuple[float, ...]]], later: float, data: st.DataObject
) -> None:
    offered = [data.draw(st.floats(1.5, 5.0)) for _ in bets]
    fresh, aged = (
        stake_of_all([(judged, bet, odds) for bet, odds in zip(bets, offered, strict=True)], 10.0)
        for judged in (valuation(quotes), valuation(quotes, later))
    )
    assert aged <= fresh + 1e-9


def test_a_price_that_has_become_too_old_still_speaks_against_a_bet() -> None:
    """Two fresh books favour the home side more than a third does, which is a minute too old."""
    fresh, old = (55.0, (1.7, 3.8, 5.0)), (61.0, (3.2, 3.4, 2.3))
    with_old, without = valuation([fresh, fresh, old]), valuation([fresh, fresh])
    assert with_old.consensus == without.consensus
    assert with_old.value(HOME, 2.0)[1].expected_value < without.value(HOME, 2.0)[1].expected_value


def test_a_view_in_which_more_of_the_stake_comes_back_does_not_raise_the_stake() -> None:
    """With the third quote the draw, which returns the stake, is less likely: the edge is larger, the stake smaller."""
    quotes = [(0.0, (1.93, 2.98, 5.35)), (30.5, (1.90, 3.27, 4.80)), (61.0, (1.73, 4.45, 4.19))]
    draw_no_bet = partial(price, market="draw_no_bet", selection="home")
    with_old = valuation(quotes)
    all_fresh = replace(with_old, fresh=3)
    aged, fresh = (stake_of(*one.value(draw_no_bet, 1.94), 1.94, 10.0) for one in (with_old, all_fresh))
    assert with_old.consensus != all_fresh.consensus
    assert 0 < aged <= fresh


@pytest.mark.parametrize(
    "market",
    [
        {"market": "moneyline", "selection": "home"},
        {"market": "draw_no_bet", "selection": "home"},
        {"market": "double_chance", "selection": "home_or_draw"},
        {"market": "spread", "selection": "home", "line": -0.5},
        {"market": "total", "selection": "over", "line": 2.5},
        {"market": "both_teams_score", "selection": "yes"},
        {"market": "home_total", "selection": "over", "line": 1.5},
        {"market": "correct_score", "selection": "1-0"},
    ],
    ids=lambda market: str(market["market"]),
)
def test_one_opening_quote_of_yesterday_gives_no_stake_on_any_market(
    market: dict[str, object], old_world: World
) -> None:
    with started(settings_for(old_world.engine, old_world.store), MovingClock()) as running:
        answer = running.get(PRICE, params={**market, "odds": 2.6}).json()
    assert (answer["offer"]["value"], answer["offer"]["stake"]) == (None, 0)
    assert answer["offer"]["reason"] in {"price_too_old", "no_market_price"}
    assert (answer["books"], answer["price_age_s"]) == (0, 22 * 3600)


@pytest.fixture
def old_world(world: World) -> World:
    """The game's only price is one book's opening quote of 22 hours ago."""
    batch = FactBatch(quotes=[quote_of(EPL, "EPL-102", 2.15, NOW - timedelta(hours=22))._replace(moment="open")])
    archive.record(world.engine, EPL, batch, source="test", recorded_at=NOW)
    build(world.engine, EPL, NOW + MINUTE)
    return world


def test_one_fresh_book_alone_is_too_few(world: World) -> None:
    batch = FactBatch(quotes=[quote_of(EPL, "EPL-102", 2.15, NOW)])
    archive.record(world.engine, EPL, batch, source="test", recorded_at=NOW)
    build(world.engine, EPL, NOW)
    with started(settings_for(world.engine, world.store), MovingClock()) as running:
        answer = running.get(
            "/v1/prices/soccer/EPL/EPL-102", params={"market": "moneyline", "selection": "home", "odds": 9}
        )
    offer = answer.json()["offer"]
    assert (offer["value"], offer["stake"], offer["reason"]) == (None, 0, "too_few_books")
    assert answer.json()["books"] == 1


def test_an_unchanged_price_that_is_shown_again_is_young_again(world: World) -> None:
    """A look an hour later finds what the archive holds: no fact is added, and the answer's tag and age follow."""
    clock = MovingClock()
    look = FactBatch(quotes=prices(EPL, "EPL-102", 2.15, NOW))
    archive.record(world.engine, EPL, look, source="feed:test", recorded_at=NOW, live=True)
    build(world.engine, EPL, NOW)
    with started(settings_for(world.engine, world.store), clock) as running:
        path = "/v1/predictions/soccer/EPL/EPL-102"
        before = running.get(path)
        clock.moment = NOW + timedelta(minutes=65)
        aged = running.get(path)
        later = [quote._replace(known_at=clock.moment, quoted_at=clock.moment) for quote in look.quotes]
        recorded = archive.record(
            world.engine, EPL, FactBatch(quotes=later), source="feed:test", recorded_at=clock.moment, live=True
        )
        assert recorded.added == 0
        build(world.engine, EPL, clock.moment)
        eventually(lambda: running.get(path).json()["books"] == 2)
        again = running.get(path)
    assert (before.json()["books"], before.json()["price_age_s"]) == (2, 0)
    assert (aged.json()["books"], aged.json()["price_age_s"]) == (0, 65 * 60)
    assert (again.json()["books"], again.json()["price_age_s"]) == (2, 0)
    assert len({before.headers["etag"], aged.headers["etag"], again.headers["etag"]}) == 3
    assert before.json()["as_of"] == again.json()["as_of"], "the forecast is the same one"


def test_predictions_and_legs_show_the_best_price_and_how_far_the_books_differ(world: World) -> None:
    quotes = [quote_of(EPL, "EPL-102", odds, NOW)._replace(book=book) for book, odds in (("a", 2.0), ("b", 2.2))]
    archive.record(world.engine, EPL, FactBatch(quotes=quotes), source="test", recorded_at=NOW)
    build(world.engine, EPL, NOW)
    leg = {"sport": "soccer", "league": "EPL", "game_id": "EPL-102", "odds": 2.1}
    with started(settings_for(world.engine, world.store), MovingClock()) as running:
        body = running.get("/v1/predictions/soccer/EPL/EPL-102").json()
        bets = [{"market": "moneyline", "selection": "home"}, {"market": "total", "selection": "over", "line": 2.5}]
        single, several = (
            running.post("/v1/parlays", json={"legs": [{**leg, "bets": chosen}]}).json()["legs"][0]
            for chosen in (bets[:1], bets)
        )
        without = running.get("/v1/predictions/soccer/EPL/EPL-103").json()
    chances = [1 / home / (1 / home + 1 / 3.6 + 1 / 2.9) for home in (2.0, 2.2)]
    assert body["disagreement"] == pytest.approx((chances[0] - chances[1]) / 2, abs=1e-4)
    assert (body["best"]["home"]["book"], body["best"]["home"]["decimal"]) == ("b", 2.2)
    assert (single["best"]["book"], single["best"]["decimal"], several["best"]) == ("b", 2.2, None)
    assert (without["best"], without["disagreement"], without["books"]) == (None, None, 0)


def test_old_quotes_of_one_moment_speak_together() -> None:
    """They become too old together, and each further view costs milliseconds: a file of days ago has many books."""
    fresh, old = (5.0, (1.7, 3.8, 5.0)), [(90.0, (1.8 + 0.1 * book, 3.8, 4.6)) for book in range(7)]
    judged = valuation([fresh, fresh, *old])
    assert len(list(judged._views())) == 2


def test_the_price_of_a_single_book_that_may_not_be_shown_stands_in_no_answer(world: World) -> None:
    """As the only one behind the market's chances it could be read from them."""
    set_terms(world.engine, "feed:private", SourceTerms(display=False), NOW)
    batch = FactBatch(quotes=[quote_of(EPL, "EPL-102", 2.15, NOW)._replace(odds_over=1.9, odds_under=1.95)])
    archive.record(world.engine, EPL, batch, source="feed:private", recorded_at=NOW, live=True)
    build(world.engine, EPL, NOW)
    with started(settings_for(world.engine, world.store), MovingClock()) as running:
        bets = [
            running.get(PRICE, params={**bet, "odds": 9}).json()
            for bet in (
                {"market": "moneyline", "selection": "home"},
                {"market": "total", "selection": "over", "line": 2.5},
            )
        ]
        prediction = running.get("/v1/predictions/soccer/EPL/EPL-102").json()
        movement = running.get("/v1/movement/soccer/EPL/EPL-102").json()
    assert [(bet["by_market"], bet["best"], bet["disagreement"], bet["books"]) for bet in bets] == [
        (None, None, None, 1)
    ] * 2
    assert (prediction["market"], prediction["disagreement"], prediction["books"]) == (None, None, 1)
    assert set(prediction["best"].values()) == {None}
    assert (movement["bets"], movement["note"]) == ([], "No history: no source has shown a price for this game.")

"""``GET /v1/value``: the best fresh price of each bet, judged by the prices of the other books."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, Quote
from feature_store.rows.build import build
from serving.api.bet_schemas import Values
from tests.conftest import NOW
from tests.serving.models import EPL, deploy, fill, price
from tests.serving.service import MovingClock, Running, settings_for, started

GAME = "EPL-101"


def show(engine: Engine, *quotes: Quote) -> None:
    archive.record(engine, EPL, FactBatch(quotes=list(quotes)), source="feed:test", recorded_at=NOW, live=True)
    build(engine, EPL, NOW)


def quote(book: str, odds_home: float, age: timedelta = timedelta(0)) -> Quote:
    return price(EPL, GAME, odds_home, NOW)._replace(book=book, quoted_at=NOW - age)


def values(running: Running, **query: object) -> Values:
    answer = running.get("/v1/value", params=query)
    assert answer.status_code == 200, answer.text
    return Values.model_validate_json(answer.content)


@pytest.fixture
def engine(sqlite_database: Engine, tmp_path: Path) -> Engine:
    fill(sqlite_database, EPL)
    deploy(sqlite_database, tmp_path / "bundles", EPL, home_lean=1.0)
    return sqlite_database


def test_a_book_far_above_the_others_is_found_and_judged_by_them(engine: Engine, tmp_path: Path) -> None:
    show(engine, quote("generous", 3.4))
    with started(settings_for(engine, tmp_path / "bundles"), MovingClock()) as running:
        found = values(running)
        (home,) = [item for item in found.items if item.selection == "home"]
        asked = {"market": "moneyline", "selection": "home", "odds": 3.4, "book": "generous"}
        offer = running.get(f"/v1/prices/soccer/EPL/{GAME}", params=asked).json()["offer"]
    assert (home.price.book, home.price.decimal, home.books) == ("generous", 3.4, 2)
    assert home.value.low > 0
    assert 0 < home.stake <= 3
    assert home.stake == offer["stake"], "the same price judged alone"
    assert (found.games, found.judged) == (4, 1)


def test_where_the_books_agree_the_list_is_empty(engine: Engine, tmp_path: Path) -> None:
    show(engine, quote("third", 1.8))
    deploy(engine, tmp_path / "bundles", EPL, "prices", belief=None)
    with started(settings_for(engine, tmp_path / "bundles"), MovingClock()) as running:
        assert values(running).items == []


@pytest.mark.parametrize(
    "generous", [quote("generous", 3.4, timedelta(minutes=61)), quote("book", 3.4)], ids=["too old", "too few others"]
)
def test_an_old_price_and_one_beside_a_single_other_book_are_not_listed(
    engine: Engine, tmp_path: Path, generous: Quote
) -> None:
    show(engine, generous)
    with started(settings_for(engine, tmp_path / "bundles"), MovingClock()) as running:
        found = values(running)
    assert (found.items, found.judged) == ([], 0)


def test_what_was_found_leaves_with_the_age_of_its_prices(engine: Engine, tmp_path: Path) -> None:
    clock = MovingClock()
    show(engine, quote("generous", 3.4))
    with started(settings_for(engine, tmp_path / "bundles"), clock) as running:
        assert values(running, league="EPL").items
        assert values(running, limit=1).items == values(running).items[:1]
        clock.moment = NOW + timedelta(minutes=61)
        assert (values(running).items, values(running).judged) == ([], 0)


def test_the_age_of_what_was_found_before_is_that_of_the_answer(engine: Engine, tmp_path: Path) -> None:
    clock = MovingClock()
    show(engine, quote("generous", 3.4))
    with started(settings_for(engine, tmp_path / "bundles"), clock) as running:
        (before, *_), clock.moment = values(running).items, NOW + timedelta(minutes=40)
        (after, *_) = values(running).items
    assert after.price_age_s == before.price_age_s + 40 * 60


def test_a_price_is_not_judged_by_the_same_book_of_another_spelling(engine: Engine, tmp_path: Path) -> None:
    """One source writes Book, the other book: that is one book, and two others do not become three."""
    show(engine, quote("Book", 3.4))
    with started(settings_for(engine, tmp_path / "bundles"), MovingClock()) as running:
        asked = {"market": "moneyline", "selection": "home", "odds": 3.4, "book": "BOOK"}
        answer = running.get(f"/v1/prices/soccer/EPL/{GAME}", params=asked).json()
        assert values(running).judged == 0
    assert (answer["books"], answer["offer"]["reason"]) == (2, "too_few_books")


def test_a_line_that_no_bet_has_breaks_no_answer(engine: Engine, tmp_path: Path) -> None:
    odd = {"total_line": 2.6, "odds_over": 1.9, "odds_under": 1.95}
    show(engine, *(quote(book, 3.4)._replace(**odd) for book in ("third", "fourth")))
    with started(settings_for(engine, tmp_path / "bundles"), MovingClock()) as running:
        assert {item.market for item in values(running).items} == {"moneyline"}

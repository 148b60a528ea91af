"""``GET /v1/movement``: each book's price from its opening to now, and where there is no history."""

from datetime import datetime, timedelta

import httpx
import pytest

from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, Quote
from feature_store.rows.build import build
from serving.api.bet_schemas import Movement
from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.models import EPL, price
from tests.serving.service import MovingClock, settings_for, started

GAME = "EPL-102"


def show(world: World, at: datetime, *quotes: Quote) -> None:
    archive.record(world.engine, EPL, FactBatch(quotes=list(quotes)), source="feed:a", recorded_at=at, live=True)
    build(world.engine, EPL, at)


def quote(book: str, at: datetime, home: float, **more: float) -> Quote:
    return price(EPL, GAME, home, at)._replace(book=book, **more)


def ask(world: World, game: str = GAME, now: datetime = NOW) -> httpx.Response:
    with started(settings_for(world.engine, world.store), MovingClock(now)) as running:
        return running.get(f"/v1/movement/soccer/EPL/{game}")


def test_each_book_is_followed_from_its_opening_to_now(world: World) -> None:
    times = [NOW + timedelta(minutes=minute) for minute in (0, 30, 35, 40)]
    for book in ("a", "b", "c"):
        show(world, times[0], quote(book, times[0], 2.2, odds_over=1.9, odds_under=1.9))
    for book, at in zip(("a", "b", "c"), times[1:], strict=True):
        show(world, at, quote(book, at, 1.9, odds_over=1.9, odds_under=1.9))
    answer = Movement.model_validate_json(ask(world, now=times[-1]).content)
    by_bet = {(bet.market, bet.selection): bet for bet in answer.bets}
    home = by_bet["moneyline", "home"]
    assert [(book.book, book.changes) for book in home.books] == [("a", 1), ("b", 1), ("c", 1)]
    assert (home.books[0].opening.decimal, home.books[0].latest.decimal) == (2.2, 1.9)
    implied = [1 / home / (1 / home + 1 / 3.6 + 1 / 2.9) for home in (2.2, 1.9)]
    assert home.books[0].moved == pytest.approx(implied[1] - implied[0], abs=1e-4)
    (steam,) = home.steam
    assert steam.books == ["a", "b", "c"]
    assert (steam.since, steam.until) == (times[1], times[3])
    assert [book.changes for book in by_bet["total", "over"].books] == [0, 0, 0]
    assert answer.note is None


def test_a_game_without_prices_and_one_with_a_single_look_say_so(world: World) -> None:
    assert ask(world).json()["note"] == "No history: no source has shown a price for this game."
    show(world, NOW, quote("a", NOW, 2.2))
    answer = ask(world).json()
    assert answer["note"] == "No history: every book has shown one price so far."
    assert [book["changes"] for bet in answer["bets"] for book in bet["books"]] == [0, 0, 0]


def test_an_unknown_game_is_not_found(world: World) -> None:
    assert ask(world, "nothing").status_code == 404


def test_two_sources_that_see_different_prices_of_the_same_books_are_no_move(world: World) -> None:
    later = NOW + timedelta(minutes=1)
    show(world, NOW, *(quote(book, NOW, 2.2) for book in ("a", "b", "c")))
    seen = [quote(book, later, 1.9) for book in ("A", "B", "C")]
    archive.record(world.engine, EPL, FactBatch(quotes=seen), source="feed:b", recorded_at=later, live=True)
    answer = ask(world, now=later).json()
    assert [(bet["steam"], len(bet["books"])) for bet in answer["bets"]] == [([], 3)] * 3
    assert answer["note"] == "No history: every book has shown one price so far."

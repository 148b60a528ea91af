"""The newest quote of every book for the games to come, with the moment at which it was last shown."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from core.betting.books.quotes import BookQuote
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact, Quote
from feature_store.archive.queries import quote_history
from feature_store.archive.sources.terms import SourceTerms, set_terms
from feature_store.identity.linking import link_games
from feature_store.rows.build import build
from feature_store.rows.online import load_rows
from feature_store.rows.published_quotes import load_quotes, publish_quotes, quote_watermarks, quotes_by_game
from tests.conftest import NOW
from tests.serving.models import EPL

MINUTE = timedelta(minutes=1)


def game(game_id: str, start_at: datetime) -> GameFact:
    return GameFact(game_id, NOW - MINUTE, 2023, start_at, False, "Arsenal", "Chelsea", False, False, "scheduled")


def quote(game_id: str, book: str, home: float, at: datetime = NOW, **more: object) -> Quote:
    return Quote(game_id, book, "last", at, at, home, 3.4, 3.0, **more)  # type: ignore[arg-type]


def record(engine: Engine, *facts: GameFact | Quote, at: datetime = NOW, source: str = "feed:one") -> archive.Recorded:
    batch = FactBatch(
        games=[fact for fact in facts if isinstance(fact, GameFact)],
        quotes=[fact for fact in facts if isinstance(fact, Quote)],
    )
    return archive.record(engine, EPL, batch, source=source, recorded_at=at, live=True)


def published(engine: Engine) -> dict[str, list[BookQuote]]:
    return quotes_by_game(load_quotes(engine, ["EPL"])["EPL"].body)


def test_each_book_has_its_newest_quote_with_every_market(database: Engine) -> None:
    spread = {"odds_home_spread": 1.9, "odds_away_spread": 1.95, "spread_line": 0.5, "odds_both_score": 1.7}
    record(database, game("g", NOW + 60 * MINUTE), quote("g", "a", 2.0), quote("g", "b", 2.2))
    record(database, quote("g", "a", 2.1, NOW + MINUTE, **spread), at=NOW + MINUTE, source="feed:two")
    build(database, EPL, NOW + 2 * MINUTE)
    newest, older = published(database)["g"]
    assert (newest.book, newest.odds_home, newest.quoted_at) == ("a", 2.1, NOW + MINUTE)
    assert (newest.spread_line, newest.odds_home_spread, newest.odds_both_score) == (0.5, 1.9, 1.7)
    assert (older.book, older.odds_home, older.quoted_at) == ("b", 2.2, NOW)


def test_a_price_shown_again_is_as_young_as_the_look_and_adds_no_fact(database: Engine) -> None:
    record(database, game("g", NOW + 600 * MINUTE), quote("g", "a", 2.0), quote("g", "b", 2.0))
    build(database, EPL, NOW)
    again = record(database, quote("g", "a", 2.0, NOW + 30 * MINUTE), at=NOW + 30 * MINUTE, source="feed:two")
    assert publish_quotes(database, EPL, NOW + 30 * MINUTE) == 2
    assert again.added == 0
    assert [(one.book, one.quoted_at) for one in published(database)["g"]] == [("a", NOW + 30 * MINUTE), ("b", NOW)]


def test_the_clock_of_the_source_counts_not_that_of_the_look(database: Engine) -> None:
    """A service that repeats an hour-old price at every look does not make it young."""
    old = quote("g", "a", 2.0)._replace(quoted_at=NOW - 60 * MINUTE)
    record(database, game("g", NOW + 600 * MINUTE), old)
    record(database, old._replace(known_at=NOW + 30 * MINUTE), at=NOW + 30 * MINUTE)
    build(database, EPL, NOW + 30 * MINUTE)
    assert published(database)["g"][0].quoted_at == NOW - 60 * MINUTE


def test_begun_games_have_no_quotes_and_undisplayed_sources_are_marked(database: Engine) -> None:
    record(database, game("g", NOW + 600 * MINUTE), game("past", NOW - MINUTE), quote("past", "a", 2.0))
    record(database, quote("g", "a", 2.0), source="feed:private")
    build(database, EPL, NOW)
    set_terms(database, "feed:private", SourceTerms(display=False), NOW)
    publish_quotes(database, EPL, NOW)
    assert {game_id: [one.displayed for one in quotes] for game_id, quotes in published(database).items()} == {
        "g": [False]
    }


def test_quotes_of_a_linked_id_are_quotes_of_its_game(database: Engine) -> None:
    start = NOW + 600 * MINUTE
    record(database, game("g", start), quote("g", "a", 2.0))
    record(database, game("other", start), quote("other", "b", 2.2), source="feed:two")
    link_games(database, EPL, "other", "g", source="test", now=NOW)
    build(database, EPL, NOW)
    assert [one.book for one in published(database)["g"]] == ["a", "b"]
    assert "other" not in published(database)


def test_quotes_of_an_id_with_the_sides_exchanged_are_left_out(database: Engine) -> None:
    """The prices of a listing that a person has linked although it had another home side belong to no game."""
    start = NOW + 600 * MINUTE
    turned = game("turned", start)._replace(home_team="Chelsea", away_team="Arsenal")
    record(database, game("g", start), quote("g", "a", 2.0), turned, quote("turned", "b", 5.0))
    link_games(database, EPL, "turned", "g", source="test", now=NOW)
    build(database, EPL, NOW)
    assert [one.book for one in published(database)["g"]] == ["a"]
    assert [one.book for one, _ in quote_history(database, EPL, "g", NOW)] == ["a"]


def test_the_prices_of_a_row_are_those_that_may_be_shown_and_its_features_are_of_all(database: Engine) -> None:
    set_terms(database, "feed:private", SourceTerms(display=False), NOW)
    games = [game("g", NOW + 600 * MINUTE), game("alone", NOW + 900 * MINUTE)]
    record(database, *games, quote("g", "a", 2.0))
    record(database, quote("g", "b", 3.0), quote("alone", "b", 3.0), source="feed:private")
    build(database, EPL, NOW)
    rows = {row.game.game_id: row for row in load_rows(database)}
    assert all(row.priced for row in rows.values())
    assert rows["alone"].prices is None
    only = 1 / 2.0 / (1 / 2.0 + 1 / 3.4 + 1 / 3.0)
    assert rows["g"].prices is not None
    assert rows["g"].prices.home == pytest.approx(only)
    set_terms(database, "feed:private", SourceTerms(display=True), NOW)
    build(database, EPL, NOW)
    assert all(row.prices is not None for row in load_rows(database))


def test_what_was_published_as_of_a_later_moment_stays(database: Engine) -> None:
    record(database, game("g", NOW + 600 * MINUTE), quote("g", "a", 2.0))
    build(database, EPL, NOW + 2 * MINUTE)
    publish_quotes(database, EPL, NOW)
    assert quote_watermarks(database) == {"EPL": NOW + 2 * MINUTE}


def test_prices_from_before_a_listing_exchanged_its_sides_are_left_out(database: Engine) -> None:
    """A book that is not shown again would count with the odds of the other side."""
    listed, later = game("g", NOW + 600 * MINUTE), NOW + MINUTE
    record(database, listed, *(quote("g", book, 1.5) for book in ("a", "b", "c")))
    turned = listed._replace(home_team="Chelsea", away_team="Arsenal", known_at=later)
    record(database, turned, quote("g", "a", 6.0, later), quote("g", "c", 1.5, later), at=later)
    build(database, EPL, later)
    assert {one.book: one.odds_home for one in published(database)["g"]} == {"a": 6.0, "c": 1.5}
    assert [one.odds_home for one, _ in quote_history(database, EPL, "g", later)] == [6.0]


def test_a_book_that_two_sources_spell_differently_is_published_once(database: Engine) -> None:
    start = NOW + 600 * MINUTE
    record(database, game("g", start), quote("g", "Bet365", 2.0))
    record(database, game("other", start), quote("other", "bet365", 2.2, NOW + MINUTE), source="feed:two")
    link_games(database, EPL, "other", "g", source="test", now=NOW)
    build(database, EPL, NOW + MINUTE)
    assert [(one.book, one.odds_home) for one in published(database)["g"]] == [("bet365", 2.2)]


def test_a_book_that_a_later_look_of_its_source_lacks_is_left_out(database: Engine) -> None:
    """Of another source it stays, and where a look shows nothing of the game at all, prices only grow older."""
    record(database, game("g", NOW + 600 * MINUTE), quote("g", "a", 2.0), quote("g", "gone", 2.5))
    record(database, quote("g", "b", 2.2), source="feed:two")
    build(database, EPL, NOW)
    record(database, quote("g", "a", 2.0, NOW + 5 * MINUTE), at=NOW + 5 * MINUTE)
    publish_quotes(database, EPL, NOW + 5 * MINUTE)
    assert [one.book for one in published(database)["g"]] == ["a", "b"]
    record(database, at=NOW + 10 * MINUTE)
    publish_quotes(database, EPL, NOW + 10 * MINUTE)
    assert [one.book for one in published(database)["g"]] == ["a", "b"]
    record(
        database,
        quote("g", "gone", 2.5, NOW + 15 * MINUTE),
        quote("g", "a", 2.0, NOW + 15 * MINUTE),
        at=NOW + 15 * MINUTE,
    )
    publish_quotes(database, EPL, NOW + 15 * MINUTE)
    assert sorted(one.book for one in published(database)["g"]) == ["a", "b", "gone"]

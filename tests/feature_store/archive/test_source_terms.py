"""What a source's terms allow is known to every machine that reads the archive."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.database.transactions import reading
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.archive.facts import FactBatch, GameFact, Quote
from feature_store.archive.sources.terms import (
    SourceTerms,
    hidden_sources,
    set_terms,
    unpublished_sources,
)  # fmt: skip
from feature_store.rows.build import build
from feature_store.rows.published_quotes import load_quotes, quotes_by_game

NFL = Leagues(BUILT_IN).get("NFL")
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
START = NOW + timedelta(days=2)


def record(database: Engine, source: str, game_id: str, book: str, now: datetime = NOW) -> None:
    game = GameFact(game_id, now, 2026, START, False, "Gulls", "Pilots", False, False, "scheduled")
    quote = Quote(game_id, book, "last", now, now, 1.9, None, 2.0)
    archive.record(database, NFL, FactBatch(games=[game], quotes=[quote]), source=source, recorded_at=now, live=True)


def test_a_source_without_terms_allows_everything(sqlite_database: Engine) -> None:
    record(sqlite_database, "bot", "1", "Bwin")
    assert hidden_sources(sqlite_database) == unpublished_sources(sqlite_database) == frozenset()


def test_the_defaults_show_prices_and_give_no_facts_away(sqlite_database: Engine) -> None:
    set_terms(sqlite_database, "feed:the-odds-api", SourceTerms(), NOW)
    assert hidden_sources(sqlite_database) == frozenset()
    assert unpublished_sources(sqlite_database) == {"feed:the-odds-api"}


def test_terms_are_written_when_they_change_only(sqlite_database: Engine) -> None:
    for minutes, terms in enumerate((SourceTerms(), SourceTerms(retain_hours=3), SourceTerms(republish=True))):
        set_terms(sqlite_database, "feed:a", terms, NOW + timedelta(minutes=minutes))
    with reading(sqlite_database) as connection:
        (row,) = connection.execute(tables.source_terms.select()).all()
    assert tuple(row) == ("feed:a", True, True, NOW + timedelta(minutes=2))


def test_prices_of_a_hidden_source_are_published_as_not_to_be_shown(sqlite_database: Engine) -> None:
    record(sqlite_database, "bot", "1", "Bwin")
    record(sqlite_database, "feed:a", "1", "Bet365")
    set_terms(sqlite_database, "feed:a", SourceTerms(display=False), NOW)
    assert hidden_sources(sqlite_database) == {"feed:a"}
    assert displayed(sqlite_database) == {"Bwin": True, "Bet365": False}
    set_terms(sqlite_database, "feed:a", SourceTerms(display=True), NOW + timedelta(hours=1))
    assert displayed(sqlite_database) == {"Bwin": True, "Bet365": True}


def displayed(database: Engine) -> dict[str, bool]:
    build(database, NFL, NOW + timedelta(minutes=1))
    quotes = quotes_by_game(load_quotes(database, ["NFL"])["NFL"].body)["1"]
    return {quote.book: quote.displayed for quote in quotes}

"""A fact with a faulty id or name enters no archive, whatever source it comes from, and costs no other fact."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.database.transactions import reading
from feature_store.archive import tables
from feature_store.archive.checks.identities import LONGEST, admit
from feature_store.archive.facts import FactBatch, GameFact, Rejected
from feature_store.archive.store import Recorded, load, record
from tests.conftest import NOW
from tests.feature_store.archive.test_store import ENDED, game, quote, result

FAULTY = ("g1\nx", "g1\r", "\x00", "g\x1b[2J", "g1\u2028", "\ud800", "", " g1", "g" * 200)


def test_a_name_fits_its_column() -> None:
    columns = (tables.games.c.game_id, tables.games.c.home_team, tables.games.c.away_team, tables.quotes.c.book)
    assert {column.name: column.type.length for column in columns} == LONGEST  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", FAULTY)
def test_faulty_facts_are_quarantined_and_the_others_kept(database: Engine, leagues: Leagues, text: str) -> None:
    league = leagues.get("EPL")
    batch = FactBatch(
        [game(), game(game_id=text), game(game_id="g3", home_team=text), game(game_id="g4", away_team=text)],
        [result(), result(game_id=text)],
        [quote(1.8, ENDED), quote(1.9, ENDED, game_id=text), quote(1.9, ENDED, book=text)],
    )
    recorded = record(database, league, batch, source="test", recorded_at=NOW)
    assert recorded == Recorded(games=1, results=1, quotes=1, rejected=6)
    held = load(database, league)
    assert (held.games, held.results, held.quotes) == ([game()], [result()], [quote(1.8, ENDED)])
    with reading(database) as connection:
        kept = connection.execute(sa.select(tables.quarantine.c.fact, tables.quarantine.c.reason)).all()
    assert sorted(fact for fact, _ in kept) == ["game"] * 3 + ["quote"] * 2 + ["result"]
    assert {reason.partition(":")[0] for _, reason in kept} == LONGEST.keys()
    assert all(reason.isprintable() for _, reason in kept)


texts = st.sampled_from(["g1", "g2", "Arsenal", *FAULTY])


@given(st.lists(st.builds(lambda **names: game(**names), game_id=texts, home_team=texts, away_team=texts), max_size=6))
def test_what_is_admitted_has_no_fault_and_nothing_is_lost(games: list[GameFact]) -> None:
    admitted = admit(FactBatch(games), "test")
    assert len(admitted.games) + len(admitted.rejected) == len(games)
    assert not any(name in FAULTY for fact in admitted.games for name in (fact.game_id, fact.home_team, fact.away_team))
    assert all(is_ascii(item) for item in admitted.rejected)


def test_a_batch_without_faults_is_passed_on_as_it_is() -> None:
    batch = FactBatch([game()], [result()], [quote(1.8, ENDED)], [Rejected("test", "1", "row", "broken", "")])
    assert admit(batch, "test") is batch


def is_ascii(item: Rejected) -> bool:
    return all(str(part).isascii() for part in item)


def test_a_faulty_fact_that_comes_again_is_quarantined_once(sqlite_database: Engine, leagues: Leagues) -> None:
    for _ in range(2):
        batch = FactBatch([game(game_id="a\nb")])
        assert record(sqlite_database, leagues.get("EPL"), batch, source="test", recorded_at=NOW).rejected == 1
    with reading(sqlite_database) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.quarantine)) == 1

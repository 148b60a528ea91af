"""What the server reads is what training would have computed at that moment, on every database."""

import ast
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.archive import store as archive
from feature_store.features.sets import EVERYTHING, RESULTS
from feature_store.history.fact_columns import columns_of
from feature_store.rows import online
from feature_store.rows.build import build
from feature_store.rows.replay import Row, past_rows, table_as_of
from feature_store.sources.library.sample import sample_batches
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY, invented_facts

ROOT = Path(__file__).parents[3]
LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")
KEYS = [league.key for league in LEAGUES][:25]
PAIRS = 1_000
ROOMS = ("core", "feature_store", "training", "serving", "flows", "migrations")


def test_a_stored_online_row_equals_the_offline_row_to_the_last_bit(database: Engine) -> None:
    facts = sample_batches(LEAGUES)[EPL]
    archive.record(database, EPL, facts, source="sample", recorded_at=FIRST_DAY)
    offline = {row.game.game_id: row for row in past_rows(EPL, facts, EVERYTHING)}
    starts = sorted({game.start_at for game in facts.games})
    for moment in starts[20::25]:
        build(database, EPL, moment)
        stored = {row.game.game_id: row for row in online.load_rows(database)}
        due = [row for row in offline.values() if row.as_of == moment]
        assert due
        for row in due:
            assert [v.hex() for v in stored[row.game.game_id].values] == [v.hex() for v in row.values]


def test_the_same_facts_have_one_identity_on_every_database(sqlite_database: Engine, mariadb_database: Engine) -> None:
    facts = invented_facts(5)
    end = FIRST_DAY + timedelta(days=900)
    identities = {facts.sha256()}
    for number, engine in enumerate((sqlite_database, mariadb_database)):
        archive.record(engine, EPL, facts, source="test", recorded_at=FIRST_DAY + timedelta(days=number))
        identities.add(archive.load(engine, EPL, end).sha256())
    assert len(identities) == 1


def test_one_changed_cell_changes_the_identity() -> None:
    facts = invented_facts(5)
    before = facts.sha256()
    facts.quotes[-1] = facts.quotes[-1]._replace(total_line=2.25)
    assert facts.sha256() != before


def test_a_model_picks_its_features_by_name_from_the_stored_row(sqlite_database: Engine) -> None:
    archive.record(sqlite_database, EPL, invented_facts(8, quirks=False), source="test", recorded_at=FIRST_DAY)
    build(sqlite_database, EPL, FIRST_DAY + timedelta(days=20))
    row = online.load_rows(sqlite_database)[0]
    everything = dict(zip(EVERYTHING.names, row.values, strict=True))
    assert row.pick(RESULTS) == tuple(everything[name] for name in RESULTS.names)


def test_compute_is_the_only_caller_of_a_feature() -> None:
    calls = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "function"
    }
    assert calls == {"feature_store/features/sets.py"}
    assert {item.function.__module__ for item in EVERYTHING.features} == {"feature_store.features.catalogue"}


@pytest.mark.timeout(900)
@pytest.mark.slow
def test_online_rows_equal_offline_rows_at_a_thousand_random_moments(database: Engine) -> None:
    """Moments in no order, as requests for rows as of a date would come: each is built, stored, read and compared."""
    random, end = Random(20), FIRST_DAY + timedelta(days=900)
    pairs = compared = 0
    for number, key in enumerate(KEYS):
        league = LEAGUES.get(key)
        archive.record(database, league, crowded_facts(number, games=150), source="test", recorded_at=FIRST_DAY)
        offline: dict[object, list[Row]] = {}
        for row in past_rows(league, archive.load(database, league, end), EVERYTHING):
            if row.game.status == "scheduled" and row.game.known_at <= row.as_of == row.game.start_at:
                offline.setdefault(row.as_of, []).append(row)
        for moment in random.sample(sorted(offline), PAIRS // len(KEYS)):
            build(database, league, moment)
            stored = {row.game.game_id: row for row in online.load_rows(database, [key])}
            for row in offline[moment]:
                assert [v.hex() for v in stored[row.game.game_id].values] == [v.hex() for v in row.values]
                assert stored[row.game.game_id].prices == row.prices
                compared += 1
            pairs += 1
    assert pairs == PAIRS
    assert compared > PAIRS


@pytest.mark.timeout(900)
@pytest.mark.slow
def test_rows_as_of_any_moment_are_the_rows_that_were_stored_then(database: Engine) -> None:
    """What a data scientist asks for afterwards, from everything that is known today, is what the server had."""
    random, compared = Random(21), 0
    for number, key in enumerate(("EPL", "NBA", "NHL", "MLB")):
        league = LEAGUES.get(key)
        archive.record(database, league, crowded_facts(number, games=150), source="test", recorded_at=FIRST_DAY)
        columns = columns_of(archive.load(database, league))
        for _ in range(40):
            moment = FIRST_DAY + timedelta(
                days=365 * random.randrange(2) + random.randrange(-3, 27), microseconds=random.randrange(86_400_000_000)
            )
            build(database, league, moment)
            stored = {row.game.game_id: row for row in online.load_rows(database, [key]) if row.game.start_at >= moment}
            afterwards = {row.game.game_id: row for row in table_as_of(league, columns, EVERYTHING, moment).rows()}
            due = {game_id for game_id, row in afterwards.items() if row.game.status in ("scheduled", "unknown")}
            assert stored.keys() == due
            for game_id, row in stored.items():
                asked = afterwards[game_id]
                assert [v.hex() for v in row.values] == [v.hex() for v in asked.values]
                assert row.prices == asked.prices
                assert row.game[2:] == asked.game[2:]
            compared += len(stored)
    assert compared > 3_000

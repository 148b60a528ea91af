"""The archive ends up the same however facts arrive, changes nothing that it holds, and survives being killed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.database.transactions import reading, writing
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.archive.versions import INSTANT
from feature_store.rows.build import build
from feature_store.sources.csv.backfill import backfill
from tests.conftest import NOW
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY
from tests.laws.archive.dying_run import run

LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")
ARCHIVE = (tables.games, tables.results, tables.quotes, tables.quarantine)
END = datetime(2026, 1, 1, tzinfo=UTC)


def contents(engine: Engine) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Every archived row by its table and primary key."""
    with reading(engine) as connection:
        return {
            (table.name, *(row[column] for column in table.primary_key.columns)): tuple(row.values())
            for table in ARCHIVE
            for row in connection.execute(sa.select(table)).mappings()
        }


def empty(engine: Engine) -> None:
    with writing(engine) as connection:
        for table in ARCHIVE:
            connection.execute(sa.delete(table))


def pieces(facts: FactBatch, count: int, random: Random) -> list[FactBatch]:
    """The facts torn into batches at random; some facts stand in two of them, as in snapshots that overlap."""
    torn = [FactBatch() for _ in range(count)]
    for kind in ("games", "results", "quotes"):
        for fact in getattr(facts, kind):
            for batch in random.sample(torn, random.choice((1, 1, min(2, count)))):
                getattr(batch, kind).append(fact)
    random.shuffle(torn)
    return torn


KINDS = ("games", "results", "quotes")
Look = tuple[datetime, FactBatch]


def looks_at(seed: int, *, games: int = 10, looks: int = 8) -> list[Look]:
    """A source looked at again and again: values change, are corrected, return, are taken back, and games vanish."""
    random, first = Random(seed), crowded_facts(seed, games=games)
    shown = {kind: {identity(fact): fact for fact in getattr(first, kind)} for kind in KINDS}
    history = []
    for number in range(looks):
        moment = FIRST_DAY + number * timedelta(days=1)
        seen = FactBatch()
        for kind in KINDS:
            for fact in shown[kind].values():
                gone_for_now = random.random() < 0.2
                if not gone_for_now:
                    getattr(seen, kind).append(one_of_two(fact, moment, other=random.random() < 0.4))
        for game_id in {game.game_id for game in seen.games if random.random() < 0.05}:
            for kind in KINDS:
                shown[kind] = {key: fact for key, fact in shown[kind].items() if fact.game_id != game_id}
        history.append((moment, seen))
    return history


def one_of_two(fact: Any, moment: datetime, *, other: bool) -> Any:
    """What a look finds: each value is one of two, so that it soon returns; a result may be taken back."""
    match fact:
        case GameFact():
            return fact._replace(known_at=moment, neutral=other)
        case Result():
            score = (None, None) if other else (2, 1)
            return fact._replace(known_at=moment, home_score=score[0], away_score=score[1])
    return fact._replace(known_at=moment, quoted_at=moment, odds_home=1.7 if other else 1.8)


def identity(fact: Any) -> tuple[str, ...]:
    return (fact.game_id, fact.book, fact.moment) if isinstance(fact, Quote) else (fact.game_id,)


def without_clocks(fact: Any) -> Any:
    return fact._replace(known_at=END, **({"quoted_at": END} if isinstance(fact, Quote) else {}))


def changes(facts: FactBatch) -> FactBatch:
    """What the archive should tell of them: in order of time, each fact that says something else than the one before."""
    collected = FactBatch()
    for kind in KINDS:
        before: dict[Any, Any] = {}
        for fact in sorted(getattr(facts, kind), key=lambda fact: fact.known_at):
            if before.get(identity(fact)) != without_clocks(fact):
                getattr(collected, kind).append(fact)
            before[identity(fact)] = without_clocks(fact)
    return collected


def together(history: list[Look]) -> FactBatch:
    return FactBatch(*([fact for _, seen in history for fact in getattr(seen, kind)] for kind in KINDS))


def assert_tells(engine: Engine, facts: FactBatch) -> None:
    """The archive's views at every moment at which something was learned, and an instant before, are the expected."""
    known = {fact.known_at for kind in KINDS for fact in getattr(facts, kind)}
    for moment in (*known, *(one - INSTANT for one in known), END):
        assert archive.load(engine, EPL, moment).sha256() == changes(facts.known_by(moment)).sha256()


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 6))
@pytest.mark.slow
def test_any_split_and_order_of_arrival_ends_in_the_same_views(seed: int, count: int, sqlite_database: Engine) -> None:
    """Values that return, corrections, results taken back, games that vanish; single facts torn out of their looks."""
    random, facts = Random(seed), together(looks_at(seed))
    empty(sqlite_database)
    torn = pieces(facts, count, random)
    for batch in torn:
        archive.record(sqlite_database, EPL, batch, source="test", recorded_at=END)
    assert_tells(sqlite_database, facts)
    for batch in random.sample(torn, count):
        assert archive.record(sqlite_database, EPL, batch, source="again", recorded_at=END).added == 0


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
@pytest.mark.slow
def test_whole_looks_in_any_order_end_in_the_same_views(seed: int, sqlite_database: Engine) -> None:
    history = looks_at(seed)
    empty(sqlite_database)
    for _, seen in Random(seed).sample(history, len(history)):
        archive.record(sqlite_database, EPL, seen, source="test", recorded_at=END)
    assert_tells(sqlite_database, together(history))


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), overlap=st.integers(0, 3))
@pytest.mark.slow
def test_live_looks_in_order_of_time_store_no_sightings_and_end_in_the_same_views(
    seed: int, overlap: int, sqlite_database: Engine
) -> None:
    """However often each look comes again before the next one does."""
    history = looks_at(seed)
    empty(sqlite_database)
    for _, seen in history:
        for _ in range(1 + overlap):
            archive.record(sqlite_database, EPL, seen, source="test", recorded_at=END, live=True)
    facts = together(history)
    assert_tells(sqlite_database, facts)
    expected = changes(facts)
    assert len(contents(sqlite_database)) == sum(len(getattr(expected, kind)) for kind in KINDS)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 6))
@pytest.mark.slow
def test_crowded_facts_in_any_split_and_order_end_in_the_same_views(
    seed: int, count: int, sqlite_database: Engine
) -> None:
    """The same of leagues with all that sources do to a game, moved starts and late quotes of two books included."""
    facts = crowded_facts(seed, games=12)
    empty(sqlite_database)
    for batch in pieces(facts, count, Random(seed)):
        archive.record(sqlite_database, EPL, batch, source="test", recorded_at=END)
    assert_tells(sqlite_database, facts)


def test_nothing_is_ever_updated_in_place(database: Engine, tmp_path: Path) -> None:
    """Whatever is done, a row that was there stays there, to the last column."""
    facts = crowded_facts(3, games=40)
    write_archives(tmp_path, files=2, games=20)
    operations: list[Callable[[datetime], object]] = [
        *(
            (lambda now, batch=batch: archive.record(database, EPL, batch, source="test", recorded_at=now))
            for batch in pieces(facts, 6, Random(3))
        ),
        lambda now: archive.record(database, EPL, facts, source="another", recorded_at=now),
        lambda now: archive.record(database, EPL, contradicting(facts), source="test", recorded_at=now),
        lambda now: backfill(database, LEAGUES, [tmp_path], now=now),
        lambda now: backfill(database, LEAGUES, [tmp_path], now=now),
        lambda now: build(database, EPL, now),
        lambda now: build(database, EPL, FIRST_DAY),
    ]
    before: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    sizes = []
    for number, operation in enumerate(operations):
        operation(NOW + timedelta(hours=number))
        after = contents(database)
        assert {key: after.get(key) for key in before} == before
        before = after
        sizes.append(len(after))
    assert sizes[0] < sizes[5] < sizes[7] < sizes[8] == sizes[-1]


def contradicting(facts: FactBatch) -> FactBatch:
    return FactBatch(
        games=[game._replace(neutral=not game.neutral) for game in facts.games[:9]],
        results=[result._replace(home_score=77) for result in facts.results[:9]],
        quotes=[quote._replace(total_line=77.0) for quote in facts.quotes[:9]],
    )


def write_archives(folder: Path, *, files: int, games: int) -> None:
    """CSV archives of two leagues in each file, with a damaged row here and there."""
    for number in range(files):
        lines = [
            "league,game_id,game_date,home_team,away_team,home_score,away_score,odds_home,odds_away,odds_home_open"
        ]
        for game in range(games):
            league, day = ("NFL", "NBA")[game % 2], f"20{10 + number}-11-{1 + game % 28:02}"
            score = "x" if game % 17 == 5 else str(100 + game % 7)
            lines.append(f"{league},f{number}g{game},{day},Team {game % 5},Team {5 + game % 4},{score},99,1.8,2.1,1.7")
        (folder / f"archive{number}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.timeout(900)
@pytest.mark.server
def test_killed_at_any_point_and_run_again_it_loses_and_doubles_nothing(database: Engine, tmp_path: Path) -> None:
    write_archives(tmp_path, files=3, games=150)
    undisturbed = run("backfill", database, NOW, str(tmp_path), killed_at=0)
    assert undisturbed.returncode == 0, undisturbed.stderr
    expected, points = contents(database), int(undisturbed.stdout)
    assert len(expected) > 3 * 150 * 3
    halves = set()
    for killed_at in Random(points).sample(range(1, points + 1), 10):
        empty(database)
        assert run("backfill", database, NOW, str(tmp_path), killed_at=killed_at).returncode == -9
        halves.add(len(contents(database)))
        again = open_database(database.url)
        backfill(again, LEAGUES, [tmp_path], now=NOW)
        again.dispose()
        assert contents(database) == expected
    assert len(halves) > 3

"""What was built step by step is what one build from the beginning gives, to the last bit."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.database.transactions import reading, writing
from feature_store.archive import store as archive
from feature_store.archive.change_log import newest_revision
from feature_store.archive.facts import FactBatch
from feature_store.features.sets import EVERYTHING
from feature_store.rows import build as building
from feature_store.rows import checkpoints, offline, tables
from feature_store.rows.build import build
from feature_store.rows.offline import materialize, read_rows
from feature_store.rows.replay import past_rows
from feature_store.rows.row import Row
from migrations import schema
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY

EPL = Leagues(BUILT_IN).get("EPL")
END = FIRST_DAY + timedelta(days=420)


def new_database(folder: str, name: str) -> Engine:
    engine = open_database(make_url(f"sqlite:///{folder}/{name}.db"))
    schema.upgrade(engine)
    return engine


def portions(random: Random, facts: FactBatch, count: int) -> list[FactBatch]:
    """The facts in portions: mostly in order of time, some long after their turn."""
    parts = [FactBatch() for _ in range(count)]
    for kind in ("games", "results", "quotes"):
        for fact in getattr(facts, kind):
            turn = int((fact.known_at - FIRST_DAY) / (END - FIRST_DAY) * count)
            late = random.randrange(count) if random.random() < 0.1 else 0
            getattr(parts[min(max(turn, late, 0), count - 1)], kind).append(fact)
    return parts


def stored(engine: Engine, moment: datetime) -> dict[str, Any]:
    """Rows of the games to come, state and checkpoints as they are in the database."""
    coming = tables.rows.c.start_at >= moment
    wanted = {
        "rows": sa.select(tables.rows.c.game_id, tables.rows.c.digest).where(coming).order_by(tables.rows.c.game_id),
        "state": sa.select(tables.states.c.games, tables.states.c.body),
        "checkpoints": sa.select(
            tables.checkpoints.c.horizon, tables.checkpoints.c.settled_at, tables.checkpoints.c.body
        ).order_by(tables.checkpoints.c.horizon),
    }
    with reading(engine) as connection:
        return {name: connection.execute(query).tuples().all() for name, query in wanted.items()}


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 7))
@pytest.mark.slow
def test_building_after_every_portion_ends_where_one_build_of_everything_does(seed: int, count: int) -> None:
    random, facts = Random(seed), crowded_facts(seed, games=120)
    with TemporaryDirectory() as folder:
        step_by_step, at_once = new_database(folder, "steps"), new_database(folder, "once")
        for number, portion in enumerate(portions(random, facts, count)):
            archive.record(step_by_step, EPL, portion, source="test", recorded_at=FIRST_DAY + timedelta(days=number))
            now = FIRST_DAY + (number + 1) * (END - FIRST_DAY) / (count + 1)
            build(step_by_step, EPL, now)
            materialize(step_by_step, EPL, Path(folder), now)
            assert_materialized(Path(folder), archive.load(step_by_step, EPL, now))
        archive.record(at_once, EPL, facts, source="test", recorded_at=FIRST_DAY)
        moment = FIRST_DAY + random.random() * (END - FIRST_DAY)
        build(at_once, EPL, moment)
        build(step_by_step, EPL, moment)
        assert stored(step_by_step, moment) == stored(at_once, moment)
        for engine in (step_by_step, at_once):
            engine.dispose()


def assert_materialized(folder: Path, facts: FactBatch) -> None:
    """The files hold the rows that a replay of the facts gives, to the last bit."""
    table = read_rows(folder, EPL)
    wanted = [(row.game.game_id, row.as_of, *(value.hex() for value in row.values)) for row in replayed(facts)]
    found = [
        (row["game_id"], row["as_of"], *(row[name].hex() for name in EVERYTHING.names)) for row in table.to_pylist()
    ]
    assert found == wanted


def replayed(facts: FactBatch) -> list[Row]:
    return sorted(past_rows(EPL, facts, EVERYTHING), key=lambda row: row.as_of)


def test_the_law_above_makes_checkpoints_and_invalidates_them() -> None:
    """It is not empty: there are checkpoints, and a correction of an old game makes those after it invalid."""
    facts = crowded_facts(4, games=240)
    with TemporaryDirectory() as folder:
        engine = new_database(folder, "ours")
        archive.record(engine, EPL, facts, source="test", recorded_at=FIRST_DAY)
        build(engine, EPL, END)
        revision = archived_revision(engine)
        before = checkpoints.valid_checkpoints(engine, EPL, revision)
        assert len(before.keys) >= 3
        old = min(facts.results, key=lambda result: result.finished_at)
        correction = old._replace(known_at=END, home_score=7, away_score=1)
        archive.record(engine, EPL, FactBatch(results=[correction]), source="test", recorded_at=END)
        assert checkpoints.valid_checkpoints(engine, EPL, revision).keys == ()
        build(engine, EPL, END + timedelta(days=1))
        assert checkpoints.valid_checkpoints(engine, EPL, archived_revision(engine)).keys[0].settled_at >= END
        engine.dispose()


def archived_revision(engine: Engine) -> int:
    with reading(engine) as connection:
        return newest_revision(connection, EPL.sport, EPL.key)


@pytest.mark.parametrize("days", [0, 30])
def test_a_build_reads_only_the_games_after_its_checkpoint(days: int, database: Engine, monkeypatch: Any) -> None:
    facts = crowded_facts(9, games=600)
    newest = max(result.finished_at for result in facts.results)
    settled = FactBatch(
        facts.games, [r for r in facts.results if r.known_at < newest - timedelta(days=40)], facts.quotes
    )
    archive.record(database, EPL, settled, source="test", recorded_at=FIRST_DAY)
    moment = newest + timedelta(days=700 + days)
    build(database, EPL, moment)
    read: list[int] = []
    load = archive.load

    def counted(*arguments: Any, **named: Any) -> FactBatch:
        batch = load(*arguments, **named)
        read.append(len({game.game_id for game in batch.games}))
        return batch

    monkeypatch.setattr(checkpoints.archive, "load", counted)
    build(database, EPL, moment + timedelta(minutes=1))
    assert len(read) == 1
    assert read[0] < 600 / 4


def decade(seed: int) -> FactBatch:
    """Five times two crowded seasons, one after the other; their corrections and late facts reach into the next ones.

    The last two begin on ``FIRST_DAY``, so that none lies ahead of the clock.
    """
    whole = FactBatch()
    for number in range(5):
        shift = (number - 4) * timedelta(days=730)
        facts = crowded_facts(seed + number, games=90)
        whole.games += [
            g._replace(game_id=f"{number}{g.game_id}", known_at=g.known_at + shift, start_at=g.start_at + shift,
                       season=g.season + 2 * (number - 4))
            for g in facts.games
        ]  # fmt: skip
        whole.results += [
            r._replace(game_id=f"{number}{r.game_id}", known_at=r.known_at + shift, finished_at=r.finished_at + shift)
            for r in facts.results
        ]
        whole.quotes += [
            q._replace(game_id=f"{number}{q.game_id}", known_at=q.known_at + shift, quoted_at=q.quoted_at + shift)
            for q in facts.quotes
        ]
    return whole


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.slow
def test_a_first_build_in_parts_is_a_build_of_all_at_once(
    late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the history, only a part of it is read at a time; rows, state, checkpoints and files are the same."""
    facts, moment = decade(3), FIRST_DAY + timedelta(days=3_700 - 4 * 730)
    if late:
        middle = facts.results[len(facts.results) // 2]
        facts.results.append(middle._replace(known_at=moment - timedelta(days=9), home_score=8, away_score=0))
    load, ends = archive.load, []
    for name, size in (("parts", 1), ("usual", building.CHECKPOINTS_PER_PART), ("whole", 10_000)):
        engine, read = new_database(str(tmp_path), name), list[int]()

        def counted(*arguments: Any, read: list[int] = read, **named: Any) -> FactBatch:
            batch = load(*arguments, **named)
            read.append(len({game.game_id for game in batch.games}))
            return batch

        monkeypatch.setattr(checkpoints.archive, "load", counted)
        monkeypatch.setattr(building, "CHECKPOINTS_PER_PART", size)
        archive.record(engine, EPL, facts, source="test", recorded_at=moment)
        build(engine, EPL, moment)
        if size == 1:
            assert max(read) <= 5 * 90 / 4
        materialize(engine, EPL, tmp_path / name, moment)
        if not late:
            assert size > 1 or max(read) <= 5 * 90 / 4
        monkeypatch.setattr(checkpoints.archive, "load", load)
        ends.append(stored(engine, moment))
        assert_materialized(tmp_path / name, load(engine, EPL, moment))
        engine.dispose()
    assert ends[0] == ends[1] == ends[2]
    assert len(ends[0]["checkpoints"]) > 30


@pytest.mark.parametrize("past", [True, False])
def test_a_checkpoint_that_another_build_removes_meanwhile_changes_nothing(
    past: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list and a checkpoint are two reads: one that was valid may be gone, or replaced, when it is loaded."""
    facts, later = crowded_facts(4, games=240), END + timedelta(days=1)
    newest = max(facts.results, key=lambda result: result.finished_at)
    correction = FactBatch(results=[newest._replace(known_at=END, home_score=7, away_score=1)])
    overtaken, quiet = (new_database(str(tmp_path), name) for name in ("overtaken", "quiet"))
    for engine in (overtaken, quiet):
        archive.record(engine, EPL, facts, source="test", recorded_at=FIRST_DAY)
        build(engine, EPL, END)
        archive.record(engine, EPL, correction, source="test", recorded_at=END)
    materialize(overtaken, EPL, tmp_path, END)
    read_valid, used = checkpoints.valid_checkpoints, []

    def and_then_gone(*arguments: Any) -> checkpoints.ValidCheckpoints:
        used.append(read_valid(*arguments))
        with writing(overtaken) as connection:
            connection.execute(sa.delete(tables.checkpoints))
        return used[-1]

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "valid_checkpoints", and_then_gone)
        if past:
            materialize(overtaken, EPL, tmp_path, later)
        else:
            build(overtaken, EPL, later)
    assert used[0].keys, "there was a checkpoint to continue from"
    if past:
        assert_materialized(tmp_path, archive.load(overtaken, EPL, later))
    else:
        build(quiet, EPL, later)
        assert stored(overtaken, later) == stored(quiet, later)
    overtaken.dispose()
    quiet.dispose()


def test_two_who_write_past_rows_at_once_take_turns(
    sqlite_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts, replace = crowded_facts(6, games=60), offline._replace_rows
    archive.record(sqlite_database, EPL, facts, source="test", recorded_at=FIRST_DAY)
    others = ThreadPoolExecutor(1)
    waiting: list[Future[Any]] = []

    def interrupted(*arguments: Any) -> None:
        if not waiting:
            waiting.append(others.submit(materialize, sqlite_database, EPL, tmp_path, END + timedelta(days=1)))
            with pytest.raises(TimeoutError):
                waiting[0].result(timeout=1)
        replace(*arguments)

    monkeypatch.setattr(offline, "_replace_rows", interrupted)
    first = materialize(sqlite_database, EPL, tmp_path, END)
    second = waiting[0].result(timeout=60)
    others.shutdown()
    assert (first.computed, second.computed) == (first.rows, 0), "the second continued from what the first had left"
    assert_materialized(tmp_path, archive.load(sqlite_database, EPL))

"""What a wrong clock has recorded can be taken back, and leaves nothing behind in facts, states and rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.database.transactions import reading
from core.errors import ClockError
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.archive.facts import FactBatch
from feature_store.archive.retraction import RecordedSpan, count_recorded, retract
from feature_store.rows.build import build
from feature_store.rows.offline import materialize
from feature_store.sources.bot.people.archive import record_people
from feature_store.sources.bot.people.reading import People
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY
from tests.laws.time.test_incremental import END, assert_materialized, new_database, stored

EPL = Leagues(BUILT_IN).get("EPL")
KEY = EPL.sport, EPL.key
AHEAD = timedelta(days=40)
FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


def seen_by_a_wrong_clock(random: Random, facts: FactBatch, moment: datetime, *, known: bool) -> FactBatch:
    """Facts as a live source shows them at the moment: games of its own, and other content of ``known`` ones."""
    games, results = random.sample(facts.games, 10), random.sample(facts.results, 10)
    batch = FactBatch()
    for number, (game, result) in enumerate(zip(games[:5], results, strict=False)):
        start = END - number * 60 * timedelta(days=1)
        own = f"x{number}"
        batch.games.append(game._replace(game_id=own, known_at=moment, start_at=start, status="final"))
        end = start + timedelta(hours=2)
        batch.results.append(result._replace(game_id=own, known_at=moment, finished_at=end, home_score=3, away_score=1))
    if known:
        batch.games += [game._replace(known_at=moment, neutral=not game.neutral) for game in games]
        batch.results += [result._replace(known_at=moment, home_score=9, away_score=0) for result in results]
        batch.quotes += [quote._replace(known_at=moment) for quote in random.sample(facts.quotes, 5)]
    return batch


@settings(max_examples=5)
@given(seed=st.integers(0, 10**6), is_built=st.booleans(), known=st.booleans())
@example(seed=1, is_built=True, known=False)
@pytest.mark.slow
def test_what_is_taken_back_leaves_no_trace(seed: int, is_built: bool, known: bool) -> None:
    """Whether or not features were built by the same wrong clock, and later facts were dated after its own."""
    random, facts = Random(seed), crowded_facts(seed, games=120)
    wrong = END + AHEAD
    with TemporaryDirectory() as folder:
        engines = new_database(folder, "wrong"), new_database(folder, "right")
        clean, dirty = Path(folder) / "clean", Path(folder) / "dirty"
        for engine, files in zip(engines, (dirty, clean), strict=True):
            archive.record(engine, EPL, facts, source="test", recorded_at=FIRST_DAY)
            build(engine, EPL, END)
            materialize(engine, EPL, files, END)
        ahead, right = engines
        wrongly_dated = seen_by_a_wrong_clock(random, facts, wrong, known=known)
        archive.record(ahead, EPL, wrongly_dated, source="bot", recorded_at=wrong, live=True)
        again = FactBatch([game._replace(known_at=END) for game in random.sample(facts.games, 5)])
        archive.record(ahead, EPL, again, source="bot", recorded_at=END, live=True)
        if is_built:
            build(ahead, EPL, wrong)
            materialize(ahead, EPL, dirty, wrong)
        span = RecordedSpan(wrong)
        planned = count_recorded(ahead, span)[KEY]
        taken = retract(ahead, KEY, span, END)
        assert taken >= planned
        assert sum(taken) > 0
        with reading(ahead) as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(tables.quarantine)) == sum(taken)
        assert count_recorded(ahead, span) == {}
        assert retract(ahead, KEY, span, END) == (0, 0, 0)
        recorded_at_end = {game.game_id for game in archive.load(ahead, EPL).games if game.known_at == END}
        archive.record(
            right,
            EPL,
            FactBatch([game for game in archive.load(ahead, EPL).games if game.game_id in recorded_at_end]),
            source="bot",
            recorded_at=END,
        )
        later = random.choice((END + timedelta(days=1), wrong + timedelta(days=1)))
        for engine, files in zip(engines, (dirty, clean), strict=True):
            build(engine, EPL, later)
            materialize(engine, EPL, files, later)
        assert facts_of(ahead) == facts_of(right)
        assert stored(ahead, later) == stored(right, later)
        assert_materialized(dirty, archive.load(right, EPL, later))
        for engine in engines:
            engine.dispose()


def facts_of(engine: Engine) -> str:
    return archive.load(engine, EPL).sha256()


def test_nothing_is_recorded_or_built_by_a_clock_that_is_far_ahead(database: Engine) -> None:
    facts = crowded_facts(1, games=12)
    archive.record(database, EPL, facts, source="test", recorded_at=FIRST_DAY)
    before = facts_of(database)
    nobody = People(consents=[], guilds=[], bets=[], not_there=())
    for write in (
        lambda: archive.record(
            database, EPL, crowded_facts(2, games=12), source="test", recorded_at=FAR_FUTURE, derived=True
        ),
        lambda: build(database, EPL, FAR_FUTURE),
        lambda: record_people(database, nobody, FAR_FUTURE),
    ):
        with pytest.raises(ClockError, match="days ahead of the clock of the database"):
            write()
    assert facts_of(database) == before

"""No feature knows anything later than the moment it speaks for."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from core.betting.leagues import BUILT_IN, League, Leagues
from core.database.engines import open_database
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, Quote
from feature_store.features.sets import EVERYTHING
from feature_store.history.fact_columns import columns_of, seconds
from feature_store.rows import online
from feature_store.rows.build import build
from feature_store.rows.replay import coming_rows, make_checkpoints, past_rows, past_table, table_as_of
from feature_store.rows.row import Row
from feature_store.sources.csv.reader import read_csv
from feature_store.sources.library.sample import sample_batches
from migrations import schema
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY, invented_facts
from tests.perturbed import another_future

LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")
END = datetime(2100, 1, 1, tzinfo=UTC)


def same(first: Row, second: Row) -> bool:
    """Equal to the last bit, not-known equal to not-known."""
    return [value.hex() for value in first.values] == [value.hex() for value in second.values]


def assert_prefix_invariant(league: League, facts: FactBatch, *, sample: int) -> None:
    rows = {row.game.game_id: row for row in past_rows(league, facts, EVERYTHING)}
    for game_id in Random(7).sample(sorted(rows), min(sample, len(rows))):
        row = rows[game_id]
        history = facts.known_by(row.as_of)
        alone, _ = coming_rows(league, history, EVERYTHING, row.as_of)
        online = next(item for item in alone if item.game.game_id == game_id)
        assert same(online, row), game_id


def test_the_row_of_a_real_game_from_history_cut_at_its_start_is_its_row_from_the_full_history() -> None:
    for league, facts in sample_batches(LEAGUES).items():
        assert_prefix_invariant(league, facts, sample=40)


@pytest.mark.parametrize("name", ["NFL", "EPL", "NBA", "MLB"])
@pytest.mark.slow
def test_the_same_holds_on_the_development_data(name: str, development_data: Path) -> None:
    reading = read_csv(development_data / f"{name}.csv.gz", LEAGUES)
    league = LEAGUES.get(name)
    facts = reading.batches[league]
    upcoming = replace(facts, games=[game._replace(status="scheduled") for game in facts.games])
    assert_prefix_invariant(league, upcoming, sample=6)


@given(seed=st.integers(0, 10_000))
def test_the_same_holds_with_late_results_and_corrections(seed: int) -> None:
    facts = invented_facts(seed)
    moment = FIRST_DAY + timedelta(days=Random(seed).randrange(5, 420))
    _, full = coming_rows(EPL, facts, EVERYTHING, moment)
    _, cut = coming_rows(EPL, facts.known_by(moment), EVERYTHING, END)
    assert full == cut


@given(seed=st.integers(0, 10_000))
def test_stopping_on_the_way_changes_nothing(seed: int) -> None:
    """Offline takes a row at every game's start; rewinding for late facts must give what a fresh fold gives."""
    facts = invented_facts(seed)
    for row in list(past_rows(EPL, facts, EVERYTHING))[::7]:
        alone, _ = coming_rows(EPL, facts, EVERYTHING, row.as_of)
        fresh = next(item for item in alone if item.game.game_id == row.game.game_id)
        assert same(fresh, row)


Bits = dict[str, tuple[object, ...]]


def bits(rows: Iterable[Row]) -> Bits:
    """Rows by game, to the last bit: the game as it was known, every value, the prices."""
    return {row.game.game_id: (row.game, row.as_of, *(v.hex() for v in row.values), repr(row.prices)) for row in rows}


def answers(league: League, facts: FactBatch, known: FactBatch, moment: datetime) -> dict[str, Bits]:
    """The rows at the moment by each way of asking. Of ``known`` only ids and starts are used, to ask for the same games."""
    columns, days = columns_of(facts), timedelta(days=3)
    horizons = [moment + number * days for number in range(-12, 3)]
    made = list(make_checkpoints(league, columns, None, horizons))
    settled = next((one for one in reversed(made) if one.settled_at <= moment), None)
    start = {game.game_id: game.start_at for game in sorted(known.games, key=lambda game: game.known_at)}
    at = {game_id: seconds(min(begin, moment)) for game_id, begin in start.items()}
    past = bits(past_table(league, columns, EVERYTHING, at).rows())
    since = moment - timedelta(days=3)
    lower = next((one for one in reversed(made) if one.settled_at <= since), None)
    recent = {game_id: max(asked, seconds(since)) for game_id, asked in at.items()}
    return {
        "coming": bits(coming_rows(league, facts, EVERYTHING, moment)[0]),
        "coming from a checkpoint": bits(coming_rows(league, facts, EVERYTHING, moment, settled)[0]),
        "as of": bits(table_as_of(league, columns, EVERYTHING, moment).rows()),
        "past": {game_id: row for game_id, row in past.items() if game_id in at},
        "past from a checkpoint": {
            game_id: row
            for game_id, row in bits(
                past_table(league, columns, EVERYTHING, recent, since=since, base=lower).rows()
            ).items()
            if game_id in at
        },
    }


def assert_blind(league: League, facts: FactBatch, moment: datetime, random: Random) -> list[Row]:
    """No way of asking for rows as of the moment notices another future; returns the rows of the games to come."""
    known, other = facts.known_by(moment), another_future(facts, moment, random)
    assert other.sha256() != facts.sha256()
    before, after = answers(league, facts, known, moment), answers(league, other, known, moment)
    for way in ("coming", "coming from a checkpoint", "as of"):
        assert before[way] == after[way], way
    for way in ("past", "past from a checkpoint"):
        # Which games have ended, and which began since, is read from all facts.
        common = before[way].keys() & after[way].keys()
        assert {key: before[way][key] for key in common} == {key: after[way][key] for key in common}, way
    assert before["coming"] == before["coming from a checkpoint"]
    return coming_rows(league, facts, EVERYTHING, moment)[0]


def well_priced(facts: FactBatch) -> FactBatch:
    """The facts with a book that shows every market twice before each start, so that prices have moved by then."""
    random = Random(1)
    shown = [
        Quote(
            game.game_id, "third book", "last", at, at, *(1.2 + 4 * random.random() for _ in range(3)), 1.5, 8.5, 1.9, 2
        )
        for game in facts.games
        for at in (game.start_at - timedelta(hours=30), game.start_at - timedelta(minutes=90))
    ]
    return replace(facts, quotes=[*facts.quotes, *{(quote.game_id, quote.known_at): quote for quote in shown}.values()])


def assert_everything_was_seen(league: League, rows: Sequence[Row], *, least: int) -> None:
    """The law was not empty: each feature that the league has was known in so many rows, with different values."""
    values = np.array([row.values for row in rows])
    for place, item in enumerate(EVERYTHING.features):
        column = values[:, place]
        seen = column[~np.isnan(column)]
        if item.name == "market_draw" and league.outcomes == 2:
            assert not len(seen)
        else:
            assert len(seen) >= least, item.name
            assert len(set(seen)) > 1, item.name


@pytest.mark.parametrize("key", ["EPL", "NBA", "NHL"])
@pytest.mark.slow
def test_nothing_that_becomes_known_later_changes_a_row(key: str) -> None:
    league, rows, empty = LEAGUES.get(key), list[Row](), Counter[bool]()

    @settings(max_examples=200)
    @given(seed=st.integers(0, 10**6), minutes=st.sampled_from((0, 1, 30, 110, 1_500)))
    def law(seed: int, minutes: int) -> None:
        random = Random(seed)
        facts = well_priced(crowded_facts(seed % 40))
        moment = random.choice(facts.games).start_at - timedelta(minutes=minutes)
        found = assert_blind(league, facts, moment, random)
        rows.extend(found)
        empty[not found] += 1

    law()
    assert empty[True] <= 40, empty
    assert_everything_was_seen(league, rows, least=50)


@pytest.mark.parametrize("key", ["EPL", "LALIGA"])
def test_nor_does_it_change_a_row_of_real_games(key: str) -> None:
    league, random = LEAGUES.get(key), Random(3)
    played = sample_batches(LEAGUES)[league]
    facts = replace(played, games=[game._replace(status="scheduled") for game in played.games])
    rows = [
        row for game in random.sample(facts.games, 10) for row in assert_blind(league, facts, game.start_at, random)
    ]
    assert len(rows) > 100


@pytest.mark.parametrize("key", ["BUNDESLIGA", "NHL", "NBA"])
@pytest.mark.slow
def test_nor_on_the_development_data(key: str, development_data: Path) -> None:
    league, random = LEAGUES.get(key), Random(4)
    archived = read_csv(development_data / f"{key}.csv.gz", LEAGUES).batches[league]
    newest = max(game.season for game in archived.games)
    games = [game._replace(status="scheduled") for game in archived.games if newest - 2 <= game.season]
    wanted = {game.game_id for game in games}
    facts = FactBatch(
        games,
        [result for result in archived.results if result.game_id in wanted],
        [quote for quote in archived.quotes if quote.game_id in wanted],
    )
    rows = [row for game in random.sample(games, 10) for row in assert_blind(league, facts, game.start_at, random)]
    assert len(rows) > 100


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
@pytest.mark.slow
def test_nor_a_row_that_a_build_stores_which_goes_on_from_an_earlier_one(seed: int) -> None:
    """Two archives share a past and a build of it; facts of another future are no part of the next rows."""
    random, facts = Random(seed), crowded_facts(seed % 40, games=120)
    moment = random.choice(facts.games).start_at - timedelta(minutes=random.choice((0, 30, 100)))
    known = facts.known_by(moment - timedelta(days=4))
    stored = []
    with TemporaryDirectory() as folder:
        for name, future in (("ours", facts), ("other", another_future(facts, moment, random))):
            engine = open_database(make_url(f"sqlite:///{folder}/{name}.db"))
            schema.upgrade(engine)
            archive.record(engine, EPL, known, source="test", recorded_at=moment - timedelta(days=4))
            build(engine, EPL, moment - timedelta(days=4))
            archive.record(engine, EPL, future, source="test", recorded_at=moment)
            build(engine, EPL, moment)
            stored.append([(row.game, row.digest) for row in online.load_rows(engine) if row.game.start_at >= moment])
            engine.dispose()
    assert stored[0] == stored[1]


def test_a_game_first_told_of_after_its_start_has_no_row_but_counts_for_later_ones() -> None:
    facts = invented_facts(3, quirks=False)
    number = 40
    game = facts.games[number]
    late = replace(facts, games=[*facts.games])
    late.games[number] = game._replace(known_at=game.start_at + timedelta(seconds=1))
    told_in_time, told_late = (
        {row.game.game_id: row for row in past_rows(EPL, batch, EVERYTHING)} for batch in (facts, late)
    )
    assert told_in_time.keys() - told_late.keys() == {game.game_id}
    assert all(same(row, told_in_time[game_id]) for game_id, row in told_late.items())


def test_a_row_does_change_when_something_known_before_it_changes() -> None:
    """The law above is not empty: the same machinery notices a change of the past."""
    facts = invented_facts(3, quirks=False)
    moment = FIRST_DAY + timedelta(days=40)
    before, _ = coming_rows(EPL, facts, EVERYTHING, moment)
    changed = replace(facts, results=[r._replace(home_score=9) if r.game_id == "g2" else r for r in facts.results])
    after, _ = coming_rows(EPL, changed, EVERYTHING, moment)
    assert not all(same(first, second) for first, second in zip(before, after, strict=True))

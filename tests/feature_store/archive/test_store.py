"""The archive keeps every fact once, forgets nothing, and answers what was known at any moment."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier
from time import sleep
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.database.bulk_insert import insert_new_tuples
from core.database.transactions import reading
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.archive.facts import FactBatch, GameFact, Quote, Rejected, Result
from feature_store.archive.store import Recorded, load, record
from tests.conftest import NOW

START = datetime(2024, 4, 27, 14, 0, tzinfo=UTC)
ENDED = START + timedelta(hours=2)
SECOND = timedelta(seconds=1)
FRESH = count()
"""Numbers for game ids: every example of a property has a game of its own."""


def result(home: int | None = 2, away: int | None = 1, known_at: datetime = ENDED, game_id: str = "g1") -> Result:
    return Result(game_id, known_at, ENDED, home, away)


def game(known_at: datetime = START - timedelta(days=14), **changes: object) -> GameFact:
    usual = GameFact("g1", known_at, 2023, START, False, "Arsenal", "Chelsea", False, False, "scheduled")
    return usual._replace(**changes)  # type: ignore[arg-type]


def quote(odds: float, known_at: datetime, *, book: str = "market", game_id: str = "g1") -> Quote:
    return Quote(game_id, book, "last", known_at, known_at, odds, 3.9, 4.6)


class Keeper:
    """One league's archive, written and read in few words."""

    def __init__(self, engine: Engine, leagues: Leagues) -> None:
        self.engine = engine
        self.league = leagues.get("EPL")

    def add(
        self, *facts: GameFact | Result | Quote, at: datetime = NOW, live: bool = False, derived: bool = False
    ) -> Recorded:
        batch = FactBatch()
        for fact in facts:
            {GameFact: batch.games, Result: batch.results, Quote: batch.quotes}[type(fact)].append(fact)  # type: ignore[attr-defined]
        return record(self.engine, self.league, batch, source="test", recorded_at=at, live=live, derived=derived)

    def score(self, moment: datetime, game_id: str = "g1") -> tuple[int | None, int | None] | None:
        """The final score as it was known at the moment."""
        known = [one for one in load(self.engine, self.league, moment).results if one.game_id == game_id]
        return (known[-1].home_score, known[-1].away_score) if known else None

    def rows(self) -> int:
        held = load(self.engine, self.league, datetime(2100, 1, 1, tzinfo=UTC))
        return len(held.games) + len(held.results) + len(held.quotes)


@pytest.fixture
def keeper(database: Engine, leagues: Leagues) -> Keeper:
    return Keeper(database, leagues)


@pytest.fixture
def lite(sqlite_database: Engine, leagues: Leagues) -> Keeper:
    return Keeper(sqlite_database, leagues)


def test_a_fact_is_known_from_its_known_at_on_and_not_an_instant_before(keeper: Keeper) -> None:
    assert keeper.add(game(), quote(1.8, START), result()) == Recorded(games=1, results=1, quotes=1)
    before = load(keeper.engine, keeper.league, ENDED - timedelta(microseconds=1))
    assert (before.games, before.results, before.quotes) == ([game()], [], [quote(1.8, START)])
    assert load(keeper.engine, keeper.league, ENDED).results == [result()]
    assert load(keeper.engine, keeper.league, START - timedelta(days=15)) == FactBatch()


def test_the_same_again_adds_nothing_however_often(keeper: Keeper) -> None:
    facts = game(), quote(1.8, START), result()
    keeper.add(*facts)
    again = [keeper.add(*facts, at=NOW + timedelta(days=day)) for day in (0, 1, 2)]
    assert again == [Recorded(unchanged=3)] * 3
    assert keeper.rows() == 3


def test_a_price_shown_again_later_says_nothing_new_and_a_changed_one_does(keeper: Keeper) -> None:
    """Of a live source; it shows nothing of the past any more."""
    keeper.add(quote(1.8, START - timedelta(hours=3)), live=True)
    assert keeper.add(quote(1.8, START - timedelta(hours=2)), live=True).added == 0
    assert keeper.add(quote(1.7, START - timedelta(hours=1)), live=True).added == 1
    assert keeper.add(quote(1.8, START), live=True) == Recorded(quotes=1, corrections=1)
    seen = load(keeper.engine, keeper.league, START).quotes
    assert [one.odds_home for one in seen] == [1.8, 1.7, 1.8]


def test_a_sighting_is_no_version_until_something_else_is_seen_before_it(keeper: Keeper) -> None:
    early, between, late = (START - timedelta(hours=hours) for hours in (3, 2, 1))
    keeper.add(quote(1.8, early))
    assert keeper.add(quote(1.8, late)) == Recorded(quotes=1)
    assert load(keeper.engine, keeper.league, START).quotes == [quote(1.8, early)]
    keeper.add(quote(1.7, between))
    assert load(keeper.engine, keeper.league, START).quotes == [
        quote(1.8, early),
        quote(1.7, between),
        quote(1.8, late),
    ]
    assert load(keeper.engine, keeper.league, between).quotes == [quote(1.8, early), quote(1.7, between)]


def test_a_correction_told_again_after_a_later_fact_adds_nothing(keeper: Keeper) -> None:
    """Two files that disagree, read every night: the content of each is recorded, whatever the bot has shown since."""
    keeper.add(result(2, 1))
    keeper.add(result(2, 2))
    keeper.add(result(3, 2, known_at=NOW + SECOND))
    again = [keeper.add(result(*score), at=NOW + timedelta(days=1)) for score in ((2, 1), (2, 2), (2, 1))]
    assert [report.added for report in again] == [0, 0, 0]
    assert keeper.score(NOW + timedelta(days=2)) == (3, 2)


def test_what_contradicts_a_fact_of_the_same_moment_is_a_correction_known_from_now_on(keeper: Keeper) -> None:
    keeper.add(result(2, 1))
    assert keeper.add(result(2, 2)) == Recorded(results=1, corrections=1)
    assert keeper.score(ENDED) == keeper.score(NOW - SECOND) == (2, 1)
    assert keeper.score(NOW) == (2, 2)
    assert keeper.add(result(2, 2), at=NOW + SECOND).added == 0


def test_two_corrections_of_one_moment_are_both_kept(keeper: Keeper) -> None:
    keeper.add(result(2, 1))
    assert keeper.add(result(2, 2), at=NOW).added == 1
    assert keeper.add(result(3, 2), at=NOW).added == 1
    assert keeper.score(NOW + SECOND) == (3, 2)
    assert keeper.rows() == 3


def test_a_correction_of_what_is_known_only_later_is_kept(keeper: Keeper) -> None:
    coming = NOW + timedelta(days=2)
    keeper.add(quote(1.8, coming))
    assert keeper.add(quote(1.7, coming)) == Recorded(quotes=1, corrections=1)
    assert [one.odds_home for one in load(keeper.engine, keeper.league, coming + SECOND).quotes] == [1.8, 1.7]


def test_a_look_at_the_same_moment_that_finds_something_else_is_kept_beside_the_first(keeper: Keeper) -> None:
    """The bot's row keeps its ``fetched_at`` while its content changes, and two snapshots see both."""
    seen_at = NOW - timedelta(minutes=5)
    keeper.add(game(seen_at, status="live"), at=NOW)
    keeper.add(game(seen_at, status="final"), at=NOW + SECOND)
    keeper.add(game(seen_at, status="final"), at=NOW + 2 * SECOND)
    known = load(keeper.engine, keeper.league, NOW + SECOND).games
    assert [(one.known_at, one.status) for one in known] == [(seen_at, "live"), (NOW + SECOND, "final")]


def test_a_result_taken_back_was_known_until_then(keeper: Keeper) -> None:
    keeper.add(result(2, 1))
    keeper.add(result(None, None, known_at=NOW))
    assert keeper.score(NOW - SECOND) == (2, 1)
    assert keeper.score(NOW) == (None, None)


def test_what_is_learned_late_takes_its_place_in_time(keeper: Keeper) -> None:
    keeper.add(quote(1.7, START))
    keeper.add(quote(1.9, START - timedelta(days=1)))
    assert [one.odds_home for one in load(keeper.engine, keeper.league, START).quotes] == [1.9, 1.7]


def test_books_games_and_leagues_do_not_answer_for_each_other(keeper: Keeper, leagues: Leagues) -> None:
    keeper.add(quote(1.8, START), quote(1.8, START, book="other"), quote(1.8, START, game_id="g2"), result())
    keeper.league = leagues.get("LALIGA")
    assert keeper.rows() == 0
    assert keeper.add(result(0, 0)) == Recorded(results=1)
    assert archive.count_games(keeper.engine) == {}


def test_games_are_counted_once_by_league(keeper: Keeper) -> None:
    keeper.add(game(), game(game_id="g2"), game(START, status="final"))
    keeper.add(result(), at=NOW + SECOND)
    assert archive.count_games(keeper.engine) == {"EPL": 2}


def test_more_games_than_one_query_takes_are_recognised(lite: Keeper) -> None:
    many = [result(game_id=f"g{number}") for number in range(2_500)]
    assert lite.add(*many).added == 2_500
    assert lite.add(*many).unchanged == 2_500


versions = st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True)


@given(moments=versions, data=st.data())
@pytest.mark.slow
def test_the_order_of_arrival_does_not_change_what_was_known_at_any_moment(
    lite: Keeper, moments: list[int], data: st.DataObject
) -> None:
    """Versions that all say something else: a repeat is not stored, so it cannot outlast what comes between."""
    game_id = f"g{next(FRESH)}"
    reported = [result(number, 0, ENDED + number * SECOND, game_id) for number in moments]
    for one in data.draw(st.permutations(reported)):
        lite.add(one)
    for moment in range(-1, 32):
        known = [number for number in moments if number <= moment]
        assert lite.score(ENDED + moment * SECOND, game_id) == ((max(known), 0) if known else None)


@given(reported=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=12))
def test_a_contradiction_never_changes_what_was_known_before_we_learned_it(
    lite: Keeper, reported: list[tuple[int, int]]
) -> None:
    game_id = f"h{next(FRESH)}"
    lite.add(*{moment: result(score, 0, ENDED + moment * SECOND, game_id) for moment, score in reported}.values())
    before = [lite.score(ENDED + moment * SECOND, game_id) for moment in range(6)]
    stored = [one for one in load(lite.engine, lite.league, NOW).results if one.game_id == game_id]
    lite.add(*(one._replace(home_score=9) for one in stored))
    assert [lite.score(ENDED + moment * SECOND, game_id) for moment in range(6)] == before
    assert lite.score(NOW + SECOND, game_id) == (9, 0)


@given(reported=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=8))
def test_a_derived_moment_counts_for_the_first_thing_said_and_what_says_otherwise_is_known_from_its_import(
    lite: Keeper, reported: list[tuple[int, int]]
) -> None:
    game_id = f"d{next(FRESH)}"
    expected: list[tuple[datetime, int]] = []
    for number, (moment, score) in enumerate(reported):
        known_at, imported = ENDED + moment * SECOND, NOW + number * SECOND
        lite.add(result(score, 0, known_at, game_id), at=imported, derived=True)
        if score not in {other for _, other in expected}:
            expected.append((imported if expected else known_at, score))
        elif expected[0][1] == score:
            expected[0] = min(expected[0], (known_at, score))
    stored = [one for one in load(lite.engine, lite.league).results if one.game_id == game_id]
    assert [(one.known_at, one.home_score) for one in stored] == expected


@pytest.fixture
def slow_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time enough between a writer's look and its write for another one to look, too."""

    def write_slowly(*reported: Any) -> None:
        sleep(0.05)
        insert_new_tuples(*reported)

    monkeypatch.setattr(archive, "insert_new_tuples", write_slowly)


@pytest.mark.usefixtures("slow_writes")
def test_two_writers_at_once_double_nothing_and_lose_nothing(keeper: Keeper) -> None:
    facts = [result(number % 5, 0, game_id=f"g{number}") for number in range(100)]
    ready = Barrier(3)

    def write(shift: int) -> Recorded:
        ready.wait()
        return keeper.add(*facts[shift:], *facts[:shift])

    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(write, (0, 30, 60)))
    assert keeper.rows() == 100
    assert sum(report.results for report in reports) == 100
    assert sum(report.unchanged for report in reports) == 200


@pytest.mark.usefixtures("slow_writes")
def test_two_writers_that_disagree_at_once_are_both_heard(keeper: Keeper) -> None:
    ready = Barrier(2)

    def write(score: int) -> Recorded:
        ready.wait()
        return keeper.add(*(result(score, 0, game_id=f"g{number}") for number in range(50)))

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(write, (1, 2)))
    assert sorted(report.corrections for report in reports) == [0, 50]
    assert keeper.rows() == 100
    assert {keeper.score(ENDED), keeper.score(NOW)} == {(1, 0), (2, 0)}


def test_what_cannot_be_believed_is_kept_once_however_many_bring_it(keeper: Keeper) -> None:
    rejected = [
        Rejected("s" * 90, f"file:{number}" + "p" * 300, "row", "r" * 600, "x" * 100_000) for number in range(20)
    ]
    ready = Barrier(3)

    def bring(order: int) -> None:
        ready.wait()
        archive.quarantine(keeper.engine, rejected[::order], NOW)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(bring, (1, -1, 1)))
    with reading(keeper.engine) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.quarantine)) == 20

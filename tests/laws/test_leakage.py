"""No feature knows anything later than the moment it speaks for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.betting.leagues import BUILT_IN, League, Leagues
from feature_store.csv_archive import read_csv
from feature_store.facts import Batch, Game, Quote, Result
from feature_store.features import EVERYTHING
from feature_store.replay import coming_rows, past_rows
from feature_store.rows import Row
from feature_store.sample import sample_batches
from tests.generated import FIRST_DAY, invented_facts

LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")
END = datetime(2100, 1, 1, tzinfo=UTC)


def same(first: Row, second: Row) -> bool:
    """Equal to the last bit, not-known equal to not-known."""
    return [value.hex() for value in first.values] == [value.hex() for value in second.values]


def assert_prefix_invariant(league: League, facts: Batch, *, sample: int) -> None:
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


def perturbed(facts: Batch, moment: datetime, random: Random) -> Batch:
    """The same facts up to the moment, and anything at all after it."""
    past = facts.known_by(moment)
    games = [g for g in facts.games if g.known_at > moment and random.random() < 0.8]
    results = [r for r in facts.results if r.known_at > moment and random.random() < 0.7]
    quotes = [q for q in facts.quotes if q.known_at > moment and random.random() < 0.7]
    results = [r._replace(home_score=random.randrange(30), away_score=random.randrange(30)) for r in results]
    quotes = [q._replace(odds_home=1.01 + 20 * random.random(), spread_line=random.uniform(-9, 9)) for q in quotes]
    games = [g._replace(home_team="Usurper", neutral=not g.neutral) for g in games]
    later = moment + timedelta(seconds=1)
    for game in random.sample(past.games, min(5, len(past.games))):
        games.append(game._replace(known_at=later, neutral=not game.neutral, season=game.season + 1))
        results.append(Result(game.game_id, later, later, random.randrange(30), random.randrange(30)))
        quotes.append(Quote(game.game_id, "other book", "last", later, later, 2.0, 3.0, 4.0))
    games.append(
        Game("new", later, 2022, moment - timedelta(days=3), False, "Alder", "Birch", False, False, "scheduled")
    )
    results.append(Result("new", later, moment - timedelta(days=3), 9, 0))
    return Batch(past.games + games, past.results + results, past.quotes + quotes)


@settings(max_examples=200)
@given(seed=st.integers(0, 10**6))
def test_nothing_that_becomes_known_later_changes_a_row(seed: int) -> None:
    random = Random(seed)
    facts = invented_facts(seed % 40)
    moment = FIRST_DAY + timedelta(days=random.randrange(5, 420), hours=random.randrange(24))
    before, _ = coming_rows(EPL, facts, EVERYTHING, moment)
    after, _ = coming_rows(EPL, perturbed(facts, moment, random), EVERYTHING, moment)
    assert [row.game for row in before] == [row.game for row in after]
    assert all(same(first, second) for first, second in zip(before, after, strict=True))


def test_a_row_does_change_when_something_known_before_it_changes() -> None:
    """The law above is not empty: the same machinery notices a change of the past."""
    facts = invented_facts(3, quirks=False)
    moment = FIRST_DAY + timedelta(days=40)
    before, _ = coming_rows(EPL, facts, EVERYTHING, moment)
    changed = replace(facts, results=[r._replace(home_score=9) if r.game_id == "g2" else r for r in facts.results])
    after, _ = coming_rows(EPL, changed, EVERYTHING, moment)
    assert not all(same(first, second) for first, second in zip(before, after, strict=True))

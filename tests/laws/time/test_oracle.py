"""The fast path gives what a slow recomputation from all facts gives, feature by feature."""

from datetime import timedelta
from math import isnan
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.archive.facts import FactBatch
from feature_store.features.sets import EVERYTHING
from feature_store.rows.replay import coming_rows, past_rows
from feature_store.rows.row import Row
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY
from tests.laws.time.oracle import Oracle

LEAGUES = Leagues(BUILT_IN)
KEYS = ("EPL", "NFL", "NBA", "MLB", "NHL", "SUPERRUGBY")
EXACT = ("home_rest", "away_rest", "rest_gap", "season_games", "experience", "neutral", "playoff")


def assert_same(row: Row, oracle: Oracle) -> None:
    game_id = row.game.game_id
    assert row.game == oracle.game(game_id)
    expected = oracle.row(game_id)
    for name, value in zip(EVERYTHING.names, row.values, strict=True):
        if name in EXACT:
            assert value == expected[name] or (isnan(value) and isnan(expected[name])), (name, game_id)
        else:
            assert value == pytest.approx(expected[name], rel=1e-9, abs=1e-9, nan_ok=True), (name, game_id)


def finished_at_the_end(facts: FactBatch) -> set[str]:
    """Games that are not void and have a score, by the latest of all facts."""
    latest_game = {game.game_id: game for game in sorted(facts.games, key=lambda game: game.known_at)}
    latest_result = {result.game_id: result for result in sorted(facts.results, key=lambda result: result.known_at)}
    return {
        game_id
        for game_id, game in latest_game.items()
        if game.status != "void" and game_id in latest_result and latest_result[game_id].home_score is not None
    }


@given(seed=st.integers(0, 10**6), key=st.sampled_from(KEYS))
def test_every_past_row_is_what_plain_loops_find(seed: int, key: str) -> None:
    league, facts = LEAGUES.get(key), crowded_facts(seed, games=36)
    rows = list(past_rows(league, facts, EVERYTHING))
    assert {row.game.game_id for row in rows} == finished_at_the_end(facts)
    for row in Random(seed).sample(rows, 8):
        assert_same(row, Oracle(league, facts, row.as_of))


@given(
    seed=st.integers(0, 10**6), key=st.sampled_from(KEYS), hours=st.integers(-6 * 24, 9 * 24), year=st.integers(0, 1)
)
def test_every_row_of_the_games_to_come_is_what_plain_loops_find(seed: int, key: str, hours: int, year: int) -> None:
    league, facts = LEAGUES.get(key), crowded_facts(seed, games=36)
    moment = FIRST_DAY + timedelta(days=365 * year, hours=hours)
    oracle = Oracle(league, facts, moment)
    rows, _ = coming_rows(league, facts, EVERYTHING, moment)
    assert {row.game.game_id for row in rows} == {
        game.game_id
        for game in map(oracle.game, {game.game_id for game in facts.games})
        if game.known_at <= moment <= game.start_at and game.status in ("scheduled", "unknown")
    }
    for row in rows[:6]:
        assert_same(row, oracle)


@settings(max_examples=2)
@given(seed=st.integers(0, 10**6))
@pytest.mark.slow
def test_the_same_holds_where_the_league_means_have_become_slow(seed: int) -> None:
    """Beyond 500 games, and over many checkpoints of the fold."""
    league, facts = LEAGUES.get("EPL"), crowded_facts(seed, games=800)
    last = list(past_rows(league, facts, EVERYTHING))[-1]
    oracle = Oracle(league, facts, last.as_of)
    assert len(oracle.finished) > 520
    assert_same(last, oracle)


def test_the_crowded_leagues_hold_what_they_promise() -> None:
    facts = crowded_facts(1)
    starts = [game.start_at for game in facts.games]
    assert len({start.date() for start in starts}) < len({game.game_id for game in facts.games}) / 2
    assert any(result.home_score is None for result in facts.results)
    assert any(result.home_score == result.away_score for result in facts.results if result.home_score is not None)
    assert any(game.neutral for game in facts.games)
    assert any(game.status == "void" for game in facts.games)
    assert len(facts.results) > len({result.game_id for result in facts.results})
    assert any(result.known_at > result.finished_at for result in facts.results)


def test_the_oracle_knows_every_feature() -> None:
    league, facts = LEAGUES.get("EPL"), crowded_facts(1)
    assert list(Oracle(league, facts, FIRST_DAY).row("g001")) == list(EVERYTHING.names)

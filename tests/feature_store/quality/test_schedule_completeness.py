"""What is lost of every season alike is seen by how unevenly teams play; fair and random schedules pass."""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from core.betting.leagues import League, Leagues
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.quality.checks import examine_facts
from feature_store.quality.flag import Flag
from feature_store.sources.csv.reader import read_csv
from tests.generated import FIRST_DAY

TEAMS = [f"team {number}" for number in range(18)]
SEASONS = range(2015, 2021)


def fair_league(seed: int = 0, *, times: int = 1, seasons: range = SEASONS) -> FactBatch:
    """Everybody at home against everybody so many times, in rounds in which each team plays once."""
    random, batch = Random(seed), FactBatch()
    for season in seasons:
        meetings = [pair for _ in range(times) for pair in rounds(random)]
        for number, (home, away) in enumerate(meetings):
            start = FIRST_DAY.replace(year=season) + timedelta(days=number // 9 * 5 // times)
            game_id = f"{season}-{number}"
            batch.games.append(GameFact(game_id, start, season, start, False, home, away, False, False, "final"))
            score = (random.choice((0, 1, 1, 2, 2, 3)), random.choice((0, 1, 1, 2, 2)))
            batch.results.append(Result(game_id, start + timedelta(hours=2), start + timedelta(hours=2), *score))
    return batch


def rounds(random: Random) -> list[tuple[str, str]]:
    """A double round robin by the circle method: seventeen rounds, then the same the other way round."""
    fixed, *others = random.sample(TEAMS, len(TEAMS))
    first = []
    for turn in range(len(others)):
        circle = [fixed, *others[turn:], *others[:turn]]
        pairs = list(zip(circle[:9], reversed(circle[9:]), strict=True))
        first += [pair[:: 1 if (turn + place) % 2 else -1] for place, pair in enumerate(pairs)]
    return first + [(away, home) for home, away in first]


def without(facts: FactBatch, gone: Callable[[GameFact], bool]) -> FactBatch:
    wanted = {game.game_id for game in facts.games if not gone(game)}
    return FactBatch(*([f for f in kind if f.game_id in wanted] for kind in (facts.games, facts.results, facts.quotes)))


def half_gone(facts: FactBatch, *seasons: int, seed: int = 5) -> FactBatch:
    random = Random(seed)
    lost = {game.game_id for game in facts.games if game.season in seasons and random.random() < 0.5}
    return without(facts, lambda game: game.game_id in lost)


def found(flags: list[Flag], level: str) -> set[tuple[int | None, str]]:
    return {(flag.season, flag.about) for flag in flags if flag.level == level}


@pytest.fixture
def epl(leagues: Leagues) -> League:
    return leagues.get("EPL")


def test_the_generator_makes_round_robins() -> None:
    assert sorted(rounds(Random(1))) == sorted(permutations(TEAMS, 2))


@pytest.mark.parametrize(("key", "times"), [("EPL", 1), ("EPL", 2), ("SUPERRUGBY", 1), ("SUPERRUGBY", 4)])
def test_fair_schedules_are_not_flagged_nor_is_a_season_under_way(key: str, times: int, leagues: Leagues) -> None:
    league, facts = leagues.get(key), fair_league(times=times)
    assert examine_facts(league, facts) == []
    starts = sorted(game.start_at for game in facts.games if game.season == 2020)
    under_way = without(facts, lambda game: game.start_at > starts[len(starts) // 2])
    assert examine_facts(league, under_way) == []


@pytest.mark.parametrize("times", [1, 2, 4])
def test_half_of_every_season_lost_is_refused(times: int, epl: League) -> None:
    flags = examine_facts(epl, half_gone(fair_league(times=times), *SEASONS))
    assert found(flags, "refusal") == {(season, "schedule") for season in SEASONS[:-1]}
    assert (2020, "newest_schedule") in found(flags, "warning")


def test_half_of_the_newest_or_the_only_season_lost_is_a_warning(epl: League) -> None:
    for facts in (half_gone(fair_league(), 2020), half_gone(fair_league(seasons=range(2020, 2021)), 2020)):
        flags = examine_facts(epl, facts)
        assert found(flags, "warning") == {(2020, "newest_schedule")}
        assert not found(flags, "refusal")


def test_half_of_the_first_season_lost_is_refused(epl: League) -> None:
    assert found(examine_facts(epl, half_gone(fair_league(), 2015)), "refusal") == {(2015, "schedule")}


def test_a_round_robin_that_stops_half_way_is_refused(epl: League) -> None:
    facts = fair_league()
    starts = sorted(game.start_at for game in facts.games if game.season == 2017)
    flags = examine_facts(epl, without(facts, lambda game: game.season == 2017 and game.start_at > starts[153]))
    assert found(flags, "refusal") == {(2017, "rounds")}


def test_games_of_the_season_before_are_too_many_and_not_missing(epl: League) -> None:
    """As where the turn of seasons is fixed to a day on which one was still played."""
    facts = fair_league()
    starts = sorted(game.start_at for game in facts.games if game.season == 2017)
    games = [
        game._replace(season=2018) if game.season == 2017 and game.start_at > starts[-60] else game
        for game in facts.games
    ]
    flags = examine_facts(epl, FactBatch(games, facts.results))
    assert found(flags, "refusal") == {(2018, "played_again")}
    (refused,) = (flag for flag in flags if flag.level == "refusal")
    assert refused.what.startswith("too many games: ")
    assert not any("missing" in flag.what for flag in flags if flag.season == 2018)


@pytest.mark.parametrize("times", [1, 4])
def test_two_seasons_in_one_are_too_many_games(times: int, epl: League) -> None:
    facts = fair_league(times=times)
    games = [game._replace(season=2017) if game.season == 2018 else game for game in facts.games]
    flags = examine_facts(epl, FactBatch(games, facts.results))
    assert {(2017, "many_games"), (2017, "days")} <= found(flags, "warning")
    assert not any("missing" in flag.what for flag in flags)


def test_one_meeting_of_a_round_robin_under_two_ids_is_a_warning(epl: League) -> None:
    facts = fair_league()
    again = facts.games[400]._replace(game_id="again", start_at=facts.games[400].start_at + timedelta(days=2))
    result = facts.results[400]._replace(game_id="again")
    flags = examine_facts(epl, FactBatch([*facts.games, again], [*facts.results, result]))
    assert [(flag.level, flag.season, flag.about) for flag in flags] == [("warning", again.season, "played_again")]


def test_a_league_of_dice_is_not_judged_by_its_schedule(epl: League) -> None:
    random, facts = Random(2), fair_league()
    games = []
    for game in facts.games:
        home, away = random.sample(TEAMS, 2)
        games.append(game._replace(home_team=home, away_team=away))
    assert not any("schedule" in flag.about for flag in examine_facts(epl, FactBatch(games, facts.results)))


def test_tenfold_scores_are_refused_beside_the_other_seasons_in_a_sport_without_usual_scores(leagues: Leagues) -> None:
    facts = fair_league()
    results = [
        r._replace(home_score=10 * r.home_score, away_score=10 * r.away_score) if r.game_id.startswith("2018") else r
        for r in facts.results
        if r.home_score is not None and r.away_score is not None
    ]
    assert found(examine_facts(leagues.get("SUPERRUGBY"), FactBatch(facts.games, results)), "refusal") == {
        (2018, "scores")
    }


@pytest.mark.parametrize(
    ("wrong", "column"),
    [
        ({"odds_home": 0.9}, "odds_home"),
        ({"odds_away": 20_000.0}, "odds_away"),
        ({"odds_over": 1.0}, "odds_over"),
        ({"spread_line": 900.0}, "spread_line"),
        ({"total_line": -3.0}, "total_line"),
    ],
)
def test_a_quote_that_nobody_can_have_meant_is_refused(wrong: dict[str, Any], column: str, epl: League) -> None:
    facts = fair_league()
    game = facts.games[400]
    facts.quotes = [
        Quote(one.game_id, "book", "close", one.start_at, one.start_at, 1.9, 3.5, 4.1, -0.5, 2.5, 1.9, 1.9)
        for one in facts.games
    ]
    assert examine_facts(epl, facts) == []
    facts.quotes[400] = facts.quotes[400]._replace(**wrong)
    assert found(examine_facts(epl, facts), "refusal") == {(game.season, column)}


@pytest.mark.parametrize("key", ["NFL", "NBA", "MLB", "NHL", "EPL", "BUNDESLIGA"])
@pytest.mark.slow
def test_half_of_every_real_season_lost_is_refused(key: str, leagues: Leagues, development_data: Path) -> None:
    league = leagues.get(key)
    facts = read_csv(development_data / f"{key}.csv.gz", leagues).batches[league]
    seasons = sorted({game.season for game in facts.games})
    refused = found(examine_facts(league, half_gone(facts, *seasons)), "refusal")
    # Half of a season that paused for months, as in 2020, may look like parts of two seasons.
    assert set(seasons[:-1]) <= {season for season, name in refused if name in ("schedule", "two_seasons")}

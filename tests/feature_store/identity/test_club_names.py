"""The clubs of five countries in the spellings of three feeds: no game is linked to another one, few are in doubt."""

from collections import Counter

import pytest

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.identity.game_matching import match
from feature_store.identity.name_likeness import CONTRADICTING, SAME, likeness
from tests.feature_store.identity.listings import SOURCES, club_table, outcome, rounds

LEAGUES = Leagues(BUILT_IN)
TABLE = club_table()


def matched(seed: int, *, count: int, missing: float, shift: int) -> Counter[str]:
    total = Counter[str]()
    for key, clubs in TABLE.items():
        listings = rounds([*clubs], seed, count=count, missing=missing, shift=shift)
        total += outcome(match(LEAGUES.get(key), listings.games), listings.meant)
    return total


def test_the_table_has_four_hundred_clubs_each_once_in_each_feed() -> None:
    assert sum(map(len, TABLE.values())) >= 400
    assert set(TABLE) == {"EPL", "LALIGA", "BUNDESLIGA", "SERIEA", "LIGUE1"}
    for clubs in TABLE.values():
        for source in SOURCES:
            assert len({club[source] for club in clubs}) == len(clubs)
    spelt_apart = [club for clubs in TABLE.values() for club in clubs if len({club[source] for source in SOURCES}) > 1]
    assert len(spelt_apart) > 300


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("count", "missing", "shift", "right", "in_vain"),
    [
        pytest.param(1, 0.0, 0, 0.95, 0, id="the first look"),
        pytest.param(1, 0.3, 15, 0.95, 2, id="the first look at feeds that miss games"),
        pytest.param(4, 0.0, 0, 1.0, 0, id="four rounds"),
        pytest.param(4, 0.2, 30, 0.98, 2, id="four rounds of feeds that miss games"),
    ],
)
def test_games_are_matched_and_none_is_wrong(
    count: int, missing: float, shift: int, right: float, in_vain: int, seed: int
) -> None:
    found = matched(seed, count=count, missing=missing, shift=shift)
    assert found["wrong"] == 0
    assert found["right"] >= right * found["all"], found
    assert found["doubted_in_vain"] <= in_vain, found


def test_no_two_clubs_of_a_country_have_the_same_words() -> None:
    for key, clubs in TABLE.items():
        sport = LEAGUES.get(key).sport
        for place, one in enumerate(clubs):
            for other in clubs[:place]:
                same = [
                    (one[a], other[b]) for a in SOURCES for b in SOURCES if likeness(sport, one[a], other[b]) == SAME
                ]
                assert not same, (key, same)


@pytest.mark.parametrize(
    ("sport", "one", "other", "least", "most"),
    [
        ("soccer", "Man City", "Manchester City FC", SAME, SAME),
        ("soccer", "M'gladbach", "Gladbach", SAME, SAME),
        ("soccer", "1. FC Köln", "FC Koln", SAME, SAME),
        ("soccer", "PSG", "Paris Saint-Germain", SAME, SAME),
        ("soccer", "Wolves", "Wolverhampton Wanderers", SAME, SAME),
        ("soccer", "Newcastle", "Newcastle Utd", 0.8, 0.95),
        ("soccer", "Milan", "Inter Milan", 0.7, 0.9),
        ("soccer", "Man City", "Manchester United", 0.0, CONTRADICTING),
        ("soccer", "Sheffield Weds", "Sheffield United", 0.0, CONTRADICTING),
        ("soccer", "West Ham", "West Brom", 0.0, CONTRADICTING),
        ("soccer", "Real Sociedad", "Real Sociedad B", 0.0, CONTRADICTING),
        ("soccer", "Leeds United", "United", 0.0, CONTRADICTING),
        ("soccer", "北京国安", "上海申花", 0.0, CONTRADICTING),
        ("basketball", "LA Lakers", "Los Angeles Lakers", SAME, SAME),
        ("basketball", "Lakers", "Los Angeles Lakers", 0.8, 0.95),
        ("basketball", "Los Angeles Clippers", "Los Angeles Lakers", 0.0, CONTRADICTING),
        ("baseball", "NYY", "New York Yankees", 0.8, 0.9),
        ("baseball", "Chicago White Sox", "Boston Red Sox", 0.0, CONTRADICTING),
        ("ice_hockey", "NY Rangers", "Rangers", 0.8, 0.95),
    ],
)
def test_likeness_is_symmetric_and_knows_short_forms(
    sport: str, one: str, other: str, least: float, most: float
) -> None:
    assert likeness(sport, one, other) == likeness(sport, other, one)
    assert least <= likeness(sport, one, other) <= most

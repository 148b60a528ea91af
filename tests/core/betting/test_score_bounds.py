"""A score that no game of a sport has had is a fault; every real one is admitted."""

import pytest

from core.betting.leagues import BUILT_IN, League, Leagues
from core.betting.score_bounds import fault_of_score

LEAGUES = Leagues(BUILT_IN)


@pytest.mark.parametrize("key", [league.key for league in BUILT_IN])
def test_absurd_scores_are_a_fault_in_every_sport(key: str) -> None:
    for home, away in ((9_999, 9_999), (1_500, 0), (0, 301)):
        assert "a side has at most" in fault_of_score(LEAGUES.get(key), home, away)
    assert fault_of_score(LEAGUES.get(key), 3, 1) == ""


@pytest.mark.parametrize(
    ("key", "home", "away"), [("EPL", 36, 0), ("NCAA", 222, 0), ("NBA", 186, 184), ("MLB", 49, 33), ("AFL", 239, 37)]
)
def test_records_are_no_fault(key: str, home: int, away: int) -> None:
    assert fault_of_score(LEAGUES.get(key), home, away) == ""


def test_an_unknown_sport_has_a_wide_bound() -> None:
    cricket = League(key="TEST", sport="cricket")
    assert (fault_of_score(cricket, 952, 800), bool(fault_of_score(cricket, 9_999, 9_999))) == ("", True)

"""The highest score that a side can have in a sport: what lies above was read or written wrongly."""

from collections.abc import Mapping
from typing import Final

from core.betting.leagues import League

HIGHEST_SCORES: Final[Mapping[str, int]] = {
    "soccer": 40,
    "ice_hockey": 85,
    "baseball": 60,
    "american_football": 225,
    "basketball": 275,
    "rugby": 200,
    "handball": 110,
    "afl": 300,
    "volleyball": 150,
    "tennis": 150,
    "darts": 100,
    "mma": 60,
}
"""Above the highest score on record, in whichever unit a source may count: goals, points, sets or rounds won."""

HIGHEST_OF_ALL: Final = 1_000
"""The same in a sport that is not listed."""


def fault_of_score(league: League, home: int, away: int) -> str:
    """What is wrong with a score, empty if a game of the league can have it."""
    highest = HIGHEST_SCORES.get(league.sport, HIGHEST_OF_ALL)
    return "" if max(home, away) <= highest else f"{home}-{away}: a side has at most {highest} in {league.sport}"

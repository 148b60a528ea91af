"""The share of a season's games that is missing, estimated from the season alone: no other season need be complete.

Schedules are fair: every team plays about as often as every other, and as often at home as away. Games missing at
random break both. If a share of the games is missing, the variance of the teams' numbers of games over their mean is
about that share, and so is the mean square of home games minus away games. A fair schedule has .00 to .06 of both
(109 real seasons of seven leagues), one of which half is missing .12 to .8.
"""

from collections.abc import Mapping
from math import nan
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import FloatArray

FEWEST_TEAMS: Final = 6
FEWEST_GAMES_EACH: Final = 4
BELOW_CHANCE: Final = -2.5
"""Standard deviations by which counts must be more even than those of tossed coins to come from a schedule."""
STRAY_REPEATS: Final = 0.02
"""Share of a round robin's meetings that a season may have twice, such as games under two ids."""
TELLING_REPEATS: Final = 8
"""Meetings that chance would have repeated; that none was repeated shows a round robin, or the like."""


class _Season(NamedTuple):
    """Games at home and away of each team, the number of meetings, and how many were repeated at the same home side."""

    home: FloatArray
    away: FloatArray
    meetings: int
    repeated: int


def lost_shares(seasons: Mapping[int, pd.DataFrame]) -> dict[int, float]:
    """By season the estimated share of missing games; NaN where nothing shows that the schedule was fair.

    The frames have ``start``, ``home_team``, ``away_team`` and ``playoff``. A league in which teams meet at random
    looks like a fair one with games missing, and is not judged.
    """
    fair_part = {season: counted for season, own in seasons.items() if (counted := _counted(own)) is not None}
    fair_league = _more_even_than_chance(list(fair_part.values()))
    return {
        season: _lost(fair_part[season])
        if season in fair_part and (fair_league or _round_robin(fair_part[season]))
        else nan
        for season in seasons
    }


class Rounds(NamedTuple):
    """What a season has of a round robin, home and away, as shares of its meetings."""

    played: float
    again: float
    """Played once more."""

    @property
    def whole(self) -> float:
        """The share that was played, 0 for a season that is no round robin."""
        return self.played if self.again <= STRAY_REPEATS else 0.0


def rounds_played(games: pd.DataFrame) -> Rounds:
    """How much of a round robin the season completes, and how much of one it plays again."""
    counted = _counted(games)
    if counted is None:
        return Rounds(0.0, 0.0)
    meetings = len(counted.home) * (len(counted.home) - 1)
    return Rounds((counted.meetings - counted.repeated) / meetings, counted.repeated / meetings)


def _counted(games: pd.DataFrame) -> _Season | None:
    """The part of the season in which all teams play: without play-offs, flagged or not, and occasional guests."""
    games = games[~games["playoff"]]
    sides: Any = pd.concat([games["home_team"], games["away_team"]])
    played = sides.value_counts()
    teams = played.index[played >= played.median() / 2]
    games = games[games["home_team"].isin(teams) & games["away_team"].isin(teams)]
    starts = pd.concat([games["start"], games["start"]])
    last: Any = starts.groupby(pd.concat([games["home_team"], games["away_team"]]).to_numpy()).max()
    games = games[games["start"] <= last.min()] if len(last) else games
    if len(teams) < FEWEST_TEAMS or 2 * len(games) < FEWEST_GAMES_EACH * len(teams):
        return None
    home, away = (
        np.asarray(games[side].value_counts().reindex(teams, fill_value=0), dtype=np.float64)
        for side in ("home_team", "away_team")
    )
    return _Season(home, away, len(games), int(games.duplicated(["home_team", "away_team"]).sum()))


def _lost(season: _Season) -> float:
    games = season.home + season.away
    uneven = games.var(ddof=1) / games.mean()
    unbalanced = np.square(season.home - season.away).mean() / games.mean()
    return float(min(uneven, unbalanced))


def _more_even_than_chance(seasons: list[_Season]) -> bool:
    """Whether the teams' home and away games vary less than coins, over all seasons (chi square, Wilson-Hilferty)."""
    squares, freedom = 0.0, 0
    for season in seasons:
        counts = np.concatenate((season.home, season.away))
        squares += float(np.square(counts - counts.mean()).sum() / counts.mean())
        freedom += len(counts) - 1
    spread = 2 / (9 * freedom) if freedom else 0.0
    return bool(freedom) and squares / freedom < (1 - spread + BELOW_CHANCE * spread**0.5) ** 3


def _round_robin(season: _Season) -> bool:
    teams = len(season.home)
    by_chance = season.meetings**2 / (2 * teams * (teams - 1))
    return season.repeated == 0 and by_chance >= TELLING_REPEATS

"""What the oracle talks about: a finished game, a market, and the few formulas that all its walks share."""

from math import exp, log, nan, pi, sqrt
from typing import NamedTuple

from feature_store.archive.facts import GameFact

POINTS_PER_TEN_TO_ONE = 400.0


Pair = tuple[float, float]
"""Of the home side and of the away side."""


class Finished(NamedTuple):
    game: GameFact
    home_score: int
    away_score: int
    shots: Pair
    on_target: Pair

    @property
    def sides(self) -> tuple[tuple[str, int, int], tuple[str, int, int]]:
        """Each team with the points it made and the points it allowed."""
        return (
            (self.game.home_team, self.home_score, self.away_score),
            (self.game.away_team, self.away_score, self.home_score),
        )


class Market(NamedTuple):
    home: float
    draw: float
    away: float
    spread: float
    total: float
    over: float

    def expected_total(self, deviation: float) -> float:
        """The total line, moved by the prices of over and under where there are any."""
        if self.over != self.over:
            return self.total
        return self.total + sqrt(2 * pi) / 4 * deviation * (log(self.over) - log(1 - self.over))


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else nan


def sign(number: float) -> int:
    return (number > 0) - (number < 0)


def share(margin: float) -> float:
    """A win is 1, a level game a half, a defeat 0."""
    return (1 + sign(margin)) / 2


def expected_share(gap: float) -> float:
    """The logistic curve on which 400 points are odds of ten to one."""
    return 1 / (1 + exp(-gap * log(10) / POINTS_PER_TEN_TO_ONE))

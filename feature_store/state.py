"""A league's state: what its results so far say about its teams, and how one more result changes it.

The functions here are plain arithmetic on records with named fields. ``feature_store.fold`` compiles the very
same functions to run them over a whole history; nothing else changes a state.
"""

from math import log, log1p
from typing import Any, Final, NamedTuple

import numpy as np

STATE_VERSION: Final = 1
"""Raise it whenever a function here gives other numbers: every fingerprint changes with it."""

START_RATING: Final = 1500.0
SCALE: Final = 400.0
"""Rating points for odds of ten to one (Elo 1978)."""

Record = Any
"""A record with the fields of ``TEAM`` or ``LEAGUE``: numba and NumPy each have their own type for it."""

TEAM: Final = np.dtype(
    [
        ("rating", "f8"),
        ("price_rating", "f8"),
        ("attack_slow", "f8"),  # rates are points above the league's mean, for or against
        ("defence_slow", "f8"),
        ("attack_fast", "f8"),
        ("defence_fast", "f8"),
        ("form", "f8"),
        ("surprise", "f8"),
        ("games", "f8"),
        ("season", "f8"),
        ("season_games", "f8"),
        ("last_start", "f8"),  # seconds since 1970
    ]
)
"""One team before its next game. All zeros: a team that has not played yet."""

LEAGUE: Final = np.dtype(
    [("home_edge", "f8"), ("price_home_edge", "f8"), ("home_mean", "f8"), ("away_mean", "f8"), ("games", "f8")]
)
"""A league before its next game."""


class Rules(NamedTuple):
    """How fast one sport's ratings move. Rating points, shares per game, or shares per season."""

    k: float
    """Rating points at stake per game and unit of log margin."""
    home_edge: float
    """Rating points that playing at home is worth at first; drifts with the results."""
    carry: float
    """Share of a team's distance from the mean that survives the summer."""
    price_rate: float
    """Share of the gap between a rating and the closing price that one game closes."""
    slow: float
    fast: float
    """Shares by which one game moves the attack and defence rates."""
    newcomer: float = 0.0
    """Rating points below the mean at which a team enters a league that is already running."""


RULES: Final[dict[str, Rules]] = {
    "american_football": Rules(k=14, home_edge=45, carry=0.65, price_rate=0.25, slow=0.05, fast=0.15),
    "basketball": Rules(k=6, home_edge=90, carry=0.70, price_rate=0.15, slow=0.02, fast=0.08),
    "baseball": Rules(k=2, home_edge=24, carry=0.65, price_rate=0.06, slow=0.008, fast=0.03),
    "ice_hockey": Rules(k=5, home_edge=35, carry=0.70, price_rate=0.08, slow=0.01, fast=0.05),
    "soccer": Rules(k=20, home_edge=65, carry=0.90, price_rate=0.15, slow=0.03, fast=0.10, newcomer=90),
}
ANY_SPORT: Final = Rules(k=14, home_edge=40, carry=0.75, price_rate=0.15, slow=0.03, fast=0.10)


def rules_of(sport: str) -> Rules:
    """The rules of a sport; a sport never seen before gets middling ones."""
    return RULES.get(sport, ANY_SPORT)


def enter(team: Record, league: Record, season: float, rules: Rules) -> None:
    """Take a copy of the team into a game of that season: carried over the summer, or new to the league."""
    if team.games == 0:
        team.rating = START_RATING - (rules.newcomer if league.games > 0 else 0.0)
        team.price_rating = team.rating
        team.form = 0.5
    elif team.season != season:
        carry = rules.carry
        team.rating = START_RATING + carry * (team.rating - START_RATING)
        team.price_rating = START_RATING + carry * (team.price_rating - START_RATING)
        team.attack_slow *= carry
        team.defence_slow *= carry
        team.attack_fast *= carry
        team.defence_fast *= carry
        team.form = 0.5 + carry * (team.form - 0.5)
        team.surprise *= carry
        team.season_games = 0.0
    team.season = season


def advance_ratings(league: Record, home: Record, away: Record, margin: float, neutral: bool, rules: Rules) -> None:
    """Elo with a home edge that drifts and a margin that counts by its logarithm.

    The divisor keeps favourites, who win by more, from inflating (Silver & Fischer-Baum 2015, on NFL and NBA Elo).
    """
    gap = home.rating + (0.0 if neutral else league.home_edge) - away.rating
    outcome = 1.0 if margin > 0 else 0.0 if margin < 0 else 0.5
    surprise = outcome - 1 / (1 + 10 ** (-gap / SCALE))
    ahead = gap if margin > 0 else -gap if margin < 0 else abs(gap)
    shift = rules.k * surprise * log1p(max(abs(margin), 1.0)) * 2.2 / (2.2 + 0.001 * ahead)
    home.rating += shift
    away.rating -= shift
    if not neutral:
        league.home_edge += 0.05 * shift
    home.surprise += rules.fast * (surprise - home.surprise)
    away.surprise += rules.fast * (-surprise - away.surprise)
    home.form += 0.2 * (outcome - home.form)
    away.form += 0.2 * (1 - outcome - away.form)


def advance_price_ratings(
    league: Record, home: Record, away: Record, expected: float, neutral: bool, rules: Rules
) -> None:
    """Ratings that follow the closing price of finished games (Wunderlich & Memmert 2018).

    ``expected`` is the price's P(home win) plus half of P(draw); NaN, for a game nobody priced, changes nothing.
    """
    if expected != expected:  # NaN
        return
    bounded = min(max(expected, 0.01), 0.99)
    implied = SCALE * log(bounded / (1 - bounded)) / log(10.0)
    edge = 0.0 if neutral else league.price_home_edge
    shift = rules.price_rate * (implied - (home.price_rating + edge - away.price_rating)) / 2
    home.price_rating += shift
    away.price_rating -= shift
    if not neutral:
        league.price_home_edge += 0.02 * shift


def advance_rates(
    league: Record, home: Record, away: Record, home_score: float, away_score: float, rules: Rules
) -> None:
    """Attack and defence as differences from the league's mean, each corrected by the opponent's, at two speeds."""
    home_slow = home_score - (league.home_mean + home.attack_slow + away.defence_slow)
    away_slow = away_score - (league.away_mean + away.attack_slow + home.defence_slow)
    home_fast = home_score - (league.home_mean + home.attack_fast + away.defence_fast)
    away_fast = away_score - (league.away_mean + away.attack_fast + home.defence_fast)
    if league.games > 0:
        home.attack_slow += rules.slow * home_slow
        away.defence_slow += rules.slow * home_slow
        away.attack_slow += rules.slow * away_slow
        home.defence_slow += rules.slow * away_slow
        home.attack_fast += rules.fast * home_fast
        away.defence_fast += rules.fast * home_fast
        away.attack_fast += rules.fast * away_fast
        home.defence_fast += rules.fast * away_fast
    weight = max(1 / (league.games + 1), 0.002)
    league.home_mean += weight * (home_score - league.home_mean)
    league.away_mean += weight * (away_score - league.away_mean)


def advance_counts(league: Record, home: Record, away: Record, start: float) -> None:
    """One game more for both teams and the league."""
    home.games += 1
    away.games += 1
    home.season_games += 1
    away.season_games += 1
    home.last_start = start
    away.last_start = start
    league.games += 1

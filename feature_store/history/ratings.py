"""A league's state: what its results so far say about its teams, and how one more result changes it.

The functions here are plain arithmetic on records with named fields. ``feature_store.history.fold`` compiles the same
functions to run them over a whole history; nothing else changes a state.
"""

from hashlib import sha256
from math import exp, log, log1p, pi, sqrt
from typing import Any, Final, NamedTuple

import numpy as np

STATE_VERSION: Final = 2
"""Raise it whenever a function here gives other numbers: every fingerprint changes with it."""

START_RATING: Final = 1500.0
SCALE: Final = 400.0
"""Rating points for odds of ten to one (Elo 1978)."""

EVEN_FORM: Final = 0.5
"""Form of a team that has won as many points as it lost: that of a newcomer."""

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
        ("price_attack", "f8"),
        ("price_defence", "f8"),
        ("shots_attack", "f8"),
        ("shots_defence", "f8"),
        ("target_attack", "f8"),
        ("target_defence", "f8"),
        ("form", "f8"),
        ("surprise", "f8"),
        ("games", "f8"),
        ("season", "f8"),
        ("season_games", "f8"),
        ("last_start", "f8"),  # seconds since 1970
        ("load", "f8"),  # games of the last days, at the last start
        ("road", "f8"),  # games in a row away from home
    ]
)
"""One team before its next game. All zeros: a team that has not played yet."""

LEAGUE: Final = np.dtype(
    [
        ("home_edge", "f8"),
        ("price_home_edge", "f8"),
        ("home_mean", "f8"),
        ("away_mean", "f8"),
        ("games", "f8"),
        ("price_home_mean", "f8"),
        ("price_away_mean", "f8"),
        ("price_games", "f8"),
        ("home_shots", "f8"),
        ("away_shots", "f8"),
        ("home_target", "f8"),
        ("away_target", "f8"),
        ("shots_games", "f8"),
        ("season", "f8"),
        ("season_start", "f8"),  # start of the season's first game [seconds since 1970]
    ]
)
"""A league before its next game."""


class Rules(NamedTuple):
    """How fast one sport's ratings move. Rating points, shares per game, or shares per season.

    The first nine fields differ from sport to sport. The others have the same value in all of them: whoever changes
    such a default raises ``STATE_VERSION``, because fingerprints name a shared rate only where a sport departs from it.
    """

    k: float
    """Rating points at stake per game and unit of log score margin."""
    home_edge: float
    """Rating points that playing at home is worth at first; drifts with the results."""
    carry: float
    """Share of a team's distance from the mean that survives the summer."""
    price_rate: float
    """Share of the gap between a rating and the closing price that one game closes."""
    slow: float
    fast: float
    """Shares by which one game moves the attack and defence rates."""
    margin_deviation: float
    total_deviation: float
    """By how much games end beside the market's lines, one standard deviation [points]."""
    newcomer: float = 0.0
    """Rating points below the mean at which a team enters a league that is already running."""
    least_margin: float = 1.0
    """Smallest score margin that counts; smaller ones, a draw's too, count as this [points]."""
    favourite_scale: float = 2.2
    favourite_rate: float = 0.001
    """A winner that was ``gap`` rating points ahead gets scale / (scale + rate * gap) of its points."""
    home_edge_rate: float = 0.05
    """Share of a rating's change by which the home edge changes."""
    price_home_edge_rate: float = 0.02
    """The same for ratings by closing prices."""
    form_rate: float = 0.2
    """Share by which one game moves a team's form."""
    least_expected: float = 0.01
    most_expected: float = 0.99
    """Bounds of a closing price's home expectation, so that its log odds stay finite."""
    least_mean_rate: float = 0.002
    """Least share by which one game moves the league's means; until 1 / (games + 1) falls to it, they are averages."""

    @property
    def text(self) -> str:
        """The rules as fingerprints hold them: the sport's own rates, and shared ones that depart from the default."""
        shared = self._field_defaults
        shown = [name for name in self._fields if name not in SHARED_RATES or getattr(self, name) != shared[name]]
        return f"Rules({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


SHARED_RATES: Final = frozenset(Rules._fields[Rules._fields.index("least_margin") :])
"""Fields of ``Rules`` that have one value for every sport."""

RULES: Final[dict[str, Rules]] = {
    "american_football": Rules(22, 62, 0.60, 0.57, 0.07, 0.14, margin_deviation=13.3, total_deviation=13.4),
    "basketball": Rules(11, 60, 0.76, 0.45, 0.02, 0.05, margin_deviation=12.2, total_deviation=17.8),
    "baseball": Rules(4, 14, 0.62, 0.14, 0.01, 0.025, margin_deviation=4.4, total_deviation=4.3),
    "ice_hockey": Rules(8.5, 43, 0.86, 0.21, 0.01, 0.025, margin_deviation=2.4, total_deviation=2.2),
    "soccer": Rules(13.5, 75, 0.905, 0.43, 0.025, 0.06, margin_deviation=1.7, total_deviation=1.6, newcomer=15),
}
"""Tuned by Optuna for the log loss of each feature alone and of all together, season by season, on seasons before
the ones that docs/results.md reports (American football to 2017, basketball to 2016, baseball and hockey to 2015,
soccer to 2019)."""

ANY_SPORT: Final = Rules(14, 40, 0.75, 0.15, 0.03, 0.10, margin_deviation=10, total_deviation=10)

LOAD_DAYS: Final = 5.0
"""Days after which a game counts exp(-1) of a game in its team's load."""

DAY: Final = 86_400.0
POINTS_PER_LOGIT: Final = sqrt(2 * pi) / 4
"""Standard deviations per unit of log odds, near even odds: sqrt(2 pi) / 4, where normal and logistic agree."""


def rules_of(sport: str) -> Rules:
    """The rules of a sport; a sport without rules of its own gets ``ANY_SPORT``."""
    return RULES.get(sport, ANY_SPORT)


def state_fingerprint(sport: str) -> str:
    """SHA-256 over the version of the functions here, the sport's rules and the fields of a state."""
    content = f"({STATE_VERSION!r}, {rules_of(sport).text}, {TEAM.descr!r}, {LEAGUE.descr!r})"
    return sha256(content.encode()).hexdigest()


def enter(team: Record, league: Record, season: float, rules: Rules) -> None:
    """Prepare a copy of the team for a game of that season: carried over the summer, or new to the league."""
    if team.games == 0:
        team.rating = START_RATING - (rules.newcomer if league.games > 0 else 0.0)
        team.price_rating = team.rating
        team.form = EVEN_FORM
    elif team.season != season:
        carry = rules.carry
        team.rating = START_RATING + carry * (team.rating - START_RATING)
        team.price_rating = START_RATING + carry * (team.price_rating - START_RATING)
        team.attack_slow *= carry
        team.defence_slow *= carry
        team.attack_fast *= carry
        team.defence_fast *= carry
        team.price_attack *= carry
        team.price_defence *= carry
        team.shots_attack *= carry
        team.shots_defence *= carry
        team.target_attack *= carry
        team.target_defence *= carry
        team.form = EVEN_FORM + carry * (team.form - EVEN_FORM)
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
    shift = (
        rules.k
        * surprise
        * log1p(max(abs(margin), rules.least_margin))
        * rules.favourite_scale
        / (rules.favourite_scale + rules.favourite_rate * ahead)
    )
    home.rating += shift
    away.rating -= shift
    if not neutral:
        league.home_edge += rules.home_edge_rate * shift
    home.surprise += rules.fast * (surprise - home.surprise)
    away.surprise += rules.fast * (-surprise - away.surprise)
    home.form += rules.form_rate * (outcome - home.form)
    away.form += rules.form_rate * (1 - outcome - away.form)


def advance_price_ratings(
    league: Record, home: Record, away: Record, expected: float, neutral: bool, rules: Rules
) -> None:
    """Ratings that follow the closing price of finished games (Wunderlich & Memmert 2018).

    ``expected`` is the price's P(home win) plus half of P(draw); NaN, for a game without a price, changes nothing.
    """
    if expected != expected:  # NaN
        return
    bounded = min(max(expected, rules.least_expected), rules.most_expected)
    implied = SCALE * log(bounded / (1 - bounded)) / log(10.0)
    edge = 0.0 if neutral else league.price_home_edge
    shift = rules.price_rate * (implied - (home.price_rating + edge - away.price_rating)) / 2
    home.price_rating += shift
    away.price_rating -= shift
    if not neutral:
        league.price_home_edge += rules.price_home_edge_rate * shift


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
    weight = max(1 / (league.games + 1), rules.least_mean_rate)
    league.home_mean += weight * (home_score - league.home_mean)
    league.away_mean += weight * (away_score - league.away_mean)


def advance_price_rates(
    league: Record, home: Record, away: Record, expected: float, total: float, rules: Rules
) -> None:
    """Attack and defence as the closing prices of finished games implied them: scores without the luck of the day.

    ``total`` is the price's expected sum of both scores; NaN in either changes nothing.
    """
    if expected != expected or total != total:  # NaN
        return
    bounded = min(max(expected, rules.least_expected), rules.most_expected)
    margin = POINTS_PER_LOGIT * rules.margin_deviation * log(bounded / (1 - bounded))
    home_price = (total + margin) / 2
    away_price = (total - margin) / 2
    home_more = home_price - (league.price_home_mean + home.price_attack + away.price_defence)
    away_more = away_price - (league.price_away_mean + away.price_attack + home.price_defence)
    if league.price_games > 0:
        step = rules.price_rate / 2
        home.price_attack += step * home_more
        away.price_defence += step * home_more
        away.price_attack += step * away_more
        home.price_defence += step * away_more
    weight = max(1 / (league.price_games + 1), rules.least_mean_rate)
    league.price_home_mean += weight * (home_price - league.price_home_mean)
    league.price_away_mean += weight * (away_price - league.price_away_mean)
    league.price_games += 1


def advance_shots(
    league: Record,
    home: Record,
    away: Record,
    shots: tuple[float, float],
    on_target: tuple[float, float],
    rules: Rules,
) -> None:
    """Shots and shots on target, home and away, as rates like those of the scores; NaN anywhere changes nothing."""
    counted = shots[0] + shots[1] + on_target[0] + on_target[1]
    if counted != counted:  # NaN
        return
    home_more = shots[0] - (league.home_shots + home.shots_attack + away.shots_defence)
    away_more = shots[1] - (league.away_shots + away.shots_attack + home.shots_defence)
    home_aimed = on_target[0] - (league.home_target + home.target_attack + away.target_defence)
    away_aimed = on_target[1] - (league.away_target + away.target_attack + home.target_defence)
    if league.shots_games > 0:
        home.shots_attack += rules.slow * home_more
        away.shots_defence += rules.slow * home_more
        away.shots_attack += rules.slow * away_more
        home.shots_defence += rules.slow * away_more
        home.target_attack += rules.slow * home_aimed
        away.target_defence += rules.slow * home_aimed
        away.target_attack += rules.slow * away_aimed
        home.target_defence += rules.slow * away_aimed
    weight = max(1 / (league.shots_games + 1), rules.least_mean_rate)
    league.home_shots += weight * (shots[0] - league.home_shots)
    league.away_shots += weight * (shots[1] - league.away_shots)
    league.home_target += weight * (on_target[0] - league.home_target)
    league.away_target += weight * (on_target[1] - league.away_target)
    league.shots_games += 1


def advance_counts(league: Record, home: Record, away: Record, start: float, season: float, neutral: bool) -> None:
    """One more game for both teams and the league; ``start`` in seconds since 1970."""
    home.load = 1.0 + home.load * exp(min(0.0, home.last_start - start) / (LOAD_DAYS * DAY))
    away.load = 1.0 + away.load * exp(min(0.0, away.last_start - start) / (LOAD_DAYS * DAY))
    home.road = home.road + 1 if neutral else 0.0
    away.road += 1
    home.games += 1
    away.games += 1
    home.season_games += 1
    away.season_games += 1
    home.last_start = start
    away.last_start = start
    if season > league.season:
        league.season = season
        league.season_start = start
    league.games += 1

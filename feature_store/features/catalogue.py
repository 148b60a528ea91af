"""Every feature, as a plain documented function of the situation before a game.

To add one: write a function of a ``Situation`` under ``@feature``, on columns, with a docstring that a bettor can read,
the range of plausible values, and the words in which a forecast gives it as a reason (none, if it favours neither
side); then enter its name in a set of ``sets``. When a body changes, raise its version. ``sets.compute`` is the only
caller, for training and for serving alike. NaN means not known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from typing import Final, NamedTuple

import numpy as np

from core.arrays import FloatArray
from feature_store.features.situation import Situation, StateColumns
from feature_store.features.wording import Wording, count, fact, lead, more, nothing, odds_on, toward
from feature_store.history.ratings import DAY, LOAD_DAYS

LONGEST_REST: Final = 14.0
BACK_TO_BACK_DAYS: Final = 1.5
SHOTS_COUNTED: Final = ("soccer", "ice_hockey")
BACK_TO_BACK: Final = ("basketball", "ice_hockey")
ROAD_TRIPS: Final = ("basketball", "ice_hockey", "baseball")


class Bounds(NamedTuple):
    """The least and the greatest plausible value, in the feature's own unit."""

    low: float
    high: float


@dataclass(frozen=True)
class Feature:
    """A named number; its meaning is the function's docstring."""

    name: str
    version: int
    meaning: str
    function: "Function"
    bounds: Bounds
    """A few times what 67,066 real games of five sports showed; outside of them training is refused."""
    may_be_missing: bool
    wording: Wording
    """The feature as a reason for a forecast."""
    sports: tuple[str, ...]
    """Sports to which it applies; all if empty."""

    def in_words(self, value: float) -> str | None:
        """The value as a bettor reads it, such as "rating gap 84 for the home side"; None where it is no reason."""
        return None if isnan(value) else self.wording(value)

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


CATALOGUE: Final[dict[str, Feature]] = {}


Function = Callable[[Situation], FloatArray]


def feature(
    *,
    version: int,
    bounds: tuple[float, float],
    wording: Wording = nothing,
    may_be_missing: bool = False,
    sports: tuple[str, ...] = (),
) -> Callable[[Function], Function]:
    """Enter a function in the catalogue under its own name."""

    def enter(function: Function) -> Function:
        meaning = (function.__doc__ or "").strip()
        name = function.__name__
        CATALOGUE[name] = Feature(name, version, meaning, function, Bounds(*bounds), may_be_missing, wording, sports)
        return function

    return enter


@feature(version=1, bounds=(-1_500, 1_500), wording=lead("rating gap {by} for the {side}"))
def rating_gap(now: Situation) -> FloatArray:
    """Home team's Elo rating minus the away team's, home advantage included [rating points]."""
    return now.home.rating - now.away.rating + _at_home(now, now.league.home_edge)


@feature(version=1, bounds=(-1_500, 1_500), wording=lead("rating gap by past prices {by} for the {side}"))
def price_rating_gap(now: Situation) -> FloatArray:
    """The same gap by ratings learned from the closing prices of past games [rating points]."""
    return now.home.price_rating - now.away.price_rating + _at_home(now, now.league.price_home_edge)


@feature(version=1, bounds=(-100, 100), wording=lead("scoring over the long run: {side} by {by}", 1))
def margin_slow(now: Situation) -> FloatArray:
    """Expected home margin from attack and defence over the long run [points]."""
    home, away = now.home, now.away
    return _home_lead(now) + home.attack_slow + away.defence_slow - away.attack_slow - home.defence_slow


@feature(version=1, bounds=(-150, 150), wording=lead("recent scoring: {side} by {by}", 1))
def margin_fast(now: Situation) -> FloatArray:
    """Expected home margin from attack and defence in recent games [points]."""
    home, away = now.home, now.away
    return _home_lead(now) + home.attack_fast + away.defence_fast - away.attack_fast - home.defence_fast


@feature(version=1, bounds=(-20, 400))
def total_slow(now: Situation) -> FloatArray:
    """Expected sum of both scores from attack and defence over the long run [points]."""
    home, away = now.home, now.away
    return _both(now) + home.attack_slow + away.defence_slow + away.attack_slow + home.defence_slow


@feature(version=1, bounds=(-50, 500))
def total_fast(now: Situation) -> FloatArray:
    """Expected sum of both scores from attack and defence in recent games [points]."""
    home, away = now.home, now.away
    return _both(now) + home.attack_fast + away.defence_fast + away.attack_fast + home.defence_fast


@feature(
    version=1,
    bounds=(-100, 100),
    may_be_missing=True,
    wording=lead("scoring as past prices meant it: {side} by {by}", 1),
)
def price_margin(now: Situation) -> FloatArray:
    """Expected home margin from attack and defence as the closing prices of past games implied them [points]."""
    lead = _at_home(now, now.league.price_home_mean - now.league.price_away_mean)
    home, away = now.home, now.away
    means = np.where(now.league.price_games > 0, lead, np.nan)
    return means + home.price_attack + away.price_defence - away.price_attack - home.price_defence


@feature(version=1, bounds=(-20, 400), may_be_missing=True)
def price_total(now: Situation) -> FloatArray:
    """Expected sum of both scores from attack and defence as the closing prices of past games implied them [points]."""
    means = now.league.price_home_mean + now.league.price_away_mean
    home, away = now.home, now.away
    both = np.where(now.league.price_games > 0, means, np.nan)
    return both + home.price_attack + away.price_defence + away.price_attack + home.price_defence


@feature(
    version=1,
    bounds=(-60, 60),
    may_be_missing=True,
    wording=lead("{side} by {by} shots a game", 1),
    sports=SHOTS_COUNTED,
)
def shots_gap(now: Situation) -> FloatArray:
    """Shots the home team is expected to have more than the away team, by both teams' shots so far [shots]."""
    lead = _at_home(now, now.league.home_shots - now.league.away_shots)
    home, away = now.home, now.away
    means = np.where(now.league.shots_games > 0, lead, np.nan)
    return means + home.shots_attack + away.shots_defence - away.shots_attack - home.shots_defence


@feature(
    version=1,
    bounds=(-40, 40),
    may_be_missing=True,
    wording=lead("{side} by {by} shots on target a game", 1),
    sports=SHOTS_COUNTED,
)
def target_gap(now: Situation) -> FloatArray:
    """The same of shots on target [shots]."""
    lead = _at_home(now, now.league.home_target - now.league.away_target)
    home, away = now.home, now.away
    means = np.where(now.league.shots_games > 0, lead, np.nan)
    return means + home.target_attack + away.target_defence - away.target_attack - home.target_defence


@feature(version=1, bounds=(-1, 1), wording=lead("{side} in better form: {by} % more of the points lately", scale=100))
def form_gap(now: Situation) -> FloatArray:
    """Home team's recent share of points won minus the away team's [-1 to 1]."""
    return now.home.form - now.away.form


@feature(version=1, bounds=(-2, 2), wording=toward("{side} better lately than its rating says", 0.01))
def surprise_gap(now: Situation) -> FloatArray:
    """How much better than their ratings the home team has lately done, minus the same for the away team."""
    return now.home.surprise - now.away.surprise


@feature(version=1, bounds=(-14, 14), may_be_missing=True, wording=count("home side rested {by} days"))
def home_rest(now: Situation) -> FloatArray:
    """Days since the home team's last start, at most 14; not known before its first game [days]."""
    return _rest(now.home, now)


@feature(version=1, bounds=(-14, 14), may_be_missing=True, wording=count("away side rested {by} days"))
def away_rest(now: Situation) -> FloatArray:
    """Days since the away team's last start, at most 14; not known before its first game [days]."""
    return _rest(now.away, now)


@feature(version=1, bounds=(-28, 28), may_be_missing=True, wording=more("{side} rested {by} more", "day"))
def rest_gap(now: Situation) -> FloatArray:
    """Days of rest the home team has more than the away team [days]."""
    return _rest(now.home, now) - _rest(now.away, now)


@feature(version=1, bounds=(0, 1), may_be_missing=True, wording=fact("home side played yesterday"), sports=BACK_TO_BACK)
def home_back_to_back(now: Situation) -> FloatArray:
    """1 if the home team's last game began less than 36 hours before, else 0; not known before its first game."""
    return _back_to_back(now.home, now)


@feature(version=1, bounds=(0, 1), may_be_missing=True, wording=fact("away side played yesterday"), sports=BACK_TO_BACK)
def away_back_to_back(now: Situation) -> FloatArray:
    """1 if the away team's last game began less than 36 hours before, else 0; not known before its first game."""
    return _back_to_back(now.away, now)


@feature(version=1, bounds=(-40, 40), wording=lead("{side} has {by} games more in its legs", 1))
def load_gap(now: Situation) -> FloatArray:
    """Games of the last days the home team has more in its legs, each counting exp(-days / 5) [games]."""
    return _load(now.home, now) - _load(now.away, now)


@feature(
    version=1, bounds=(-60, 60), wording=more("{side} {by} longer on the road", "game", home=False), sports=ROAD_TRIPS
)
def road_gap(now: Situation) -> FloatArray:
    """Games in a row the away team has been on the road, minus the same for the home team [games].

    It stands in for travel: no source gives the place of a venue.
    """
    return now.away.road - now.home.road


@feature(version=1, bounds=(-30, 400))
def season_day(now: Situation) -> FloatArray:
    """Days since the league's season began, 0 before its first result [days]."""
    return np.where(now.league.season == now.game.season, (now.game.start - now.league.season_start) / DAY, 0.0)


@feature(version=1, bounds=(0, 250))
def season_games(now: Situation) -> FloatArray:
    """Games of this season already behind the team that has fewer of them [games]."""
    return np.minimum(now.home.season_games, now.away.season_games)


@feature(version=1, bounds=(0, 100_000))
def experience(now: Situation) -> FloatArray:
    """Games in the archive of the team that has fewer of them: how much the ratings can be trusted [games]."""
    return np.minimum(now.home.games, now.away.games)


@feature(version=1, bounds=(0, 1), wording=fact("neutral venue"))
def neutral(now: Situation) -> FloatArray:
    """1 on a neutral venue, else 0."""
    return now.game.neutral.astype(np.float64)


@feature(version=1, bounds=(0, 1), wording=fact("play-off"))
def playoff(now: Situation) -> FloatArray:
    """1 in a play-off, else 0."""
    return now.game.playoff.astype(np.float64)


@feature(
    version=1, bounds=(-8, 8), may_be_missing=True, wording=odds_on("the price has the {side} ahead, {by} to {rest}")
)
def market_log_odds(now: Situation) -> FloatArray:
    """Logarithm of P(home win) over P(away win) by the latest prices, overround taken out."""
    return np.log(now.prices.home / now.prices.away)


@feature(version=2, bounds=(-8, 5), may_be_missing=True)
def market_draw(now: Situation) -> FloatArray:
    """Logarithm of P(draw) over the geometric mean of both wins' by the latest prices, overround taken out.

    Not known in two-way leagues. With it and ``market_log_odds`` the market's probabilities are a linear model.
    """
    return np.log(now.prices.draw / np.sqrt(now.prices.home * now.prices.away))


@feature(version=1, bounds=(-80, 80), may_be_missing=True, wording=lead("the spread: {side} by {by}", 1))
def market_margin(now: Situation) -> FloatArray:
    """Expected home margin by the latest spread [points]."""
    return now.prices.spread_line


@feature(version=2, bounds=(-40, 450), may_be_missing=True)
def market_total(now: Situation) -> FloatArray:
    """Expected sum of both scores by the latest total line and its over and under prices [points]."""
    return now.prices.expected_total(now.rules.total_deviation)


@feature(version=2, bounds=(-6, 6), may_be_missing=True, wording=toward("the price has moved toward the {side}", 0.01))
def market_move(now: Situation) -> FloatArray:
    """By how much P(home win) over P(away win) has changed since the first prices of the same books [log odds]."""
    return np.log(now.moved_to.home / now.moved_to.away) - np.log(now.opening.home / now.opening.away)


def _at_home(now: Situation, advantage: FloatArray) -> FloatArray:
    return np.where(now.game.neutral, 0.0, advantage)


def _home_lead(now: Situation) -> FloatArray:
    return _at_home(now, now.league.home_mean - now.league.away_mean)


def _both(now: Situation) -> FloatArray:
    return np.asarray(now.league.home_mean + now.league.away_mean)


def _rest(team: StateColumns, now: Situation) -> FloatArray:
    days = np.minimum((now.game.start - team.last_start) / DAY, LONGEST_REST)
    return np.where(team.games > 0, days, np.nan)


def _back_to_back(team: StateColumns, now: Situation) -> FloatArray:
    yesterday = now.game.start - team.last_start < BACK_TO_BACK_DAYS * DAY
    return np.where(team.games > 0, yesterday.astype(np.float64), np.nan)


def _load(team: StateColumns, now: Situation) -> FloatArray:
    return team.load * np.exp(np.minimum(0.0, team.last_start - now.game.start) / (LOAD_DAYS * DAY))

"""Every feature, as a plain documented function of the situation before a game.

To add one: write a function of a ``Situation`` under ``@feature``, on columns, with a docstring that a bettor could
read, and name it in a feature set at the foot of this file. When a body changes, raise its version.
``compute`` is the only caller, for training and for serving alike. NaN means not known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from core.betting.odds import FloatArray
from core.errors import DataIntegrityError
from feature_store.columns import Flags
from feature_store.prices import PriceColumns
from feature_store.state import STATE_VERSION, rules_of

DAY: Final = 86_400.0
LONGEST_REST: Final = 14.0


@dataclass(frozen=True, eq=False)
class Fixtures:
    """What is known of games before they begin; no score."""

    start: FloatArray
    """Seconds since 1970."""
    neutral: Flags
    playoff: Flags


class Columns(Protocol):
    """Records of a league or of teams, a column per field of ``LEAGUE`` or ``TEAM``."""

    def __getattr__(self, field: str) -> FloatArray:
        """The column."""
        ...


def as_columns(records: NDArray[Any]) -> Columns:
    """Records of ``LEAGUE`` or ``TEAM``, one per game, as columns."""
    return cast("Columns", records.view(np.recarray))


@dataclass(frozen=True, eq=False)
class Situation:
    """All that a feature may see: teams and league before the games, the games, and the prices known by then.

    Every field is a column with one entry per game: ``now.home.rating`` are the ratings of all home sides.
    """

    league: Columns
    home: Columns
    away: Columns
    game: Fixtures
    prices: PriceColumns


@dataclass(frozen=True)
class Feature:
    """A named number; its meaning is the function's docstring."""

    name: str
    version: int
    meaning: str
    function: Callable[[Situation], FloatArray]

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


CATALOGUE: Final[dict[str, Feature]] = {}


Function = Callable[[Situation], FloatArray]


def feature(version: int) -> Callable[[Function], Function]:
    """Enter a function in the catalogue under its own name."""

    def enter(function: Function) -> Function:
        CATALOGUE[function.__name__] = Feature(function.__name__, version, (function.__doc__ or "").strip(), function)
        return function

    return enter


@feature(version=1)
def rating_gap(now: Situation) -> FloatArray:
    """Home team's Elo rating minus the away team's, home advantage included [rating points]."""
    return now.home.rating - now.away.rating + _at_home(now, now.league.home_edge)


@feature(version=1)
def price_rating_gap(now: Situation) -> FloatArray:
    """The same gap by ratings learned from the closing prices of past games [rating points]."""
    return now.home.price_rating - now.away.price_rating + _at_home(now, now.league.price_home_edge)


@feature(version=1)
def margin_slow(now: Situation) -> FloatArray:
    """Expected home margin from attack and defence over the long run [points]."""
    home, away = now.home, now.away
    return _home_lead(now) + home.attack_slow + away.defence_slow - away.attack_slow - home.defence_slow


@feature(version=1)
def margin_fast(now: Situation) -> FloatArray:
    """Expected home margin from attack and defence in recent games [points]."""
    home, away = now.home, now.away
    return _home_lead(now) + home.attack_fast + away.defence_fast - away.attack_fast - home.defence_fast


@feature(version=1)
def total_slow(now: Situation) -> FloatArray:
    """Expected sum of both scores from attack and defence over the long run [points]."""
    home, away = now.home, now.away
    return _both(now) + home.attack_slow + away.defence_slow + away.attack_slow + home.defence_slow


@feature(version=1)
def total_fast(now: Situation) -> FloatArray:
    """Expected sum of both scores from attack and defence in recent games [points]."""
    home, away = now.home, now.away
    return _both(now) + home.attack_fast + away.defence_fast + away.attack_fast + home.defence_fast


@feature(version=1)
def form_gap(now: Situation) -> FloatArray:
    """Home team's recent share of points won minus the away team's [-1 to 1]."""
    return now.home.form - now.away.form


@feature(version=1)
def surprise_gap(now: Situation) -> FloatArray:
    """How much better than their ratings the home team has lately done, minus the same for the away team."""
    return now.home.surprise - now.away.surprise


@feature(version=1)
def home_rest(now: Situation) -> FloatArray:
    """Days since the home team's last start, at most 14; not known before its first game [days]."""
    return _rest(now.home, now)


@feature(version=1)
def away_rest(now: Situation) -> FloatArray:
    """Days since the away team's last start, at most 14; not known before its first game [days]."""
    return _rest(now.away, now)


@feature(version=1)
def rest_gap(now: Situation) -> FloatArray:
    """Days of rest the home team has more than the away team [days]."""
    return _rest(now.home, now) - _rest(now.away, now)


@feature(version=1)
def season_games(now: Situation) -> FloatArray:
    """Games of this season already behind the team that has fewer of them [games]."""
    return np.minimum(now.home.season_games, now.away.season_games)


@feature(version=1)
def experience(now: Situation) -> FloatArray:
    """Games in the archive of the team that has fewer of them: how much the ratings can be trusted [games]."""
    return np.minimum(now.home.games, now.away.games)


@feature(version=1)
def neutral(now: Situation) -> FloatArray:
    """1 on a neutral venue, else 0."""
    return now.game.neutral.astype(np.float64)


@feature(version=1)
def playoff(now: Situation) -> FloatArray:
    """1 in a play-off, else 0."""
    return now.game.playoff.astype(np.float64)


@feature(version=1)
def market_log_odds(now: Situation) -> FloatArray:
    """Logarithm of P(home win) over P(away win) by the latest prices, margin taken out."""
    return np.log(now.prices.home / now.prices.away)


@feature(version=1)
def market_draw(now: Situation) -> FloatArray:
    """Logarithm of the odds on a draw by the latest prices, margin taken out; not known in two-way leagues."""
    return np.log(now.prices.draw / (1 - now.prices.draw))


@feature(version=1)
def market_margin(now: Situation) -> FloatArray:
    """Expected home margin by the latest spread [points]."""
    return now.prices.spread_line


@feature(version=1)
def market_total(now: Situation) -> FloatArray:
    """Expected sum of both scores by the latest total line [points]."""
    return now.prices.total_line


def _at_home(now: Situation, advantage: FloatArray) -> FloatArray:
    return np.where(now.game.neutral, 0.0, advantage)


def _home_lead(now: Situation) -> FloatArray:
    return _at_home(now, now.league.home_mean - now.league.away_mean)


def _both(now: Situation) -> FloatArray:
    return np.asarray(now.league.home_mean + now.league.away_mean)


def _rest(team: Columns, now: Situation) -> FloatArray:
    days = np.minimum((now.game.start - team.last_start) / DAY, LONGEST_REST)
    return np.where(team.games > 0, days, np.nan)


@dataclass(frozen=True)
class FeatureSet:
    """An ordered list of features: a model's contract. Its fingerprint is stored with every model trained on it."""

    name: str
    features: tuple[Feature, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(item.name for item in self.features)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names with versions."""
        return tuple(str(item) for item in self.features)

    def fingerprint(self, sport: str) -> str:
        """SHA-256 over names, versions, order and the rules by which the sport's state moves."""
        content = "\n".join((f"state@{STATE_VERSION}", repr(rules_of(sport)), *self.labels))
        return sha256(content.encode()).hexdigest()


def compute(features: FeatureSet, situation: Situation) -> FloatArray:
    """The feature rows, shape (games, features): one column per feature, in the set's order."""
    games = len(situation.game.start)
    rows = np.empty((games, len(features.features)), order="F")
    for place, item in enumerate(features.features):
        rows[:, place] = item.function(situation)
    return rows


def demanded_by(labels: Sequence[str], fingerprint: str, sport: str) -> FeatureSet:
    """The feature set a registered model was trained on, if this code still computes the very same features.

    Raises DataIntegrityError naming the first feature that differs.
    """
    for label in labels:
        name = label.partition("@")[0]
        if name not in CATALOGUE or str(CATALOGUE[name]) != label:
            today = str(CATALOGUE.get(name, "none of that name"))
            msg = f"The model was trained on feature {label}; this code computes {today}."
            raise DataIntegrityError(msg, hint="Train it again, or keep the old champion.", feature=label)
    demanded = feature_set("demanded", [label.partition("@")[0] for label in labels])
    if demanded.fingerprint(sport) != fingerprint:
        msg = f"The model was trained on other state rules for {sport} than this code has."
        raise DataIntegrityError(msg, hint="Train it again, or keep the old champion.", feature="state")
    return demanded


def feature_set(name: str, names: Sequence[str]) -> FeatureSet:
    """A feature set of the named features. Raises DataIntegrityError for a name the catalogue lacks."""
    unknown = [item for item in names if item not in CATALOGUE]
    if unknown:
        raise DataIntegrityError(f"There is no feature {unknown[0]!r}.", feature=unknown[0])
    return FeatureSet(name, tuple(CATALOGUE[item] for item in names))


EVERYTHING: Final = feature_set("everything", tuple(CATALOGUE))
RESULTS: Final = feature_set("results", [name for name in CATALOGUE if not name.startswith("market_")])
PRICES: Final = feature_set("prices", tuple(CATALOGUE))
FEATURE_SETS: Final = {item.name: item for item in (RESULTS, PRICES)}

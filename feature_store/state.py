"""A league's state: what its results so far say about its teams. ``advance`` is the only way it changes.

The state holds nothing but numbers, so that it can be copied, stored as JSON and compared to the last bit.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import log, log1p
from typing import Final, NamedTuple

from core.errors import DataIntegrityError
from feature_store.facts import Game, Result
from feature_store.prices import Prices

STATE_VERSION: Final = 1
"""Raise it whenever ``advance`` or ``entering`` gives other numbers: every fingerprint changes with it."""

START_RATING: Final = 1500.0
SCALE: Final = 400.0
"""Rating points for odds of ten to one (Elo 1978)."""


@dataclass(frozen=True)
class Rules:
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


RULES: Final[Mapping[str, Rules]] = {
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


@dataclass(slots=True)
class TeamState:
    """One team before its next game. Rates are points above the league's mean, for or against."""

    rating: float = START_RATING
    price_rating: float = START_RATING
    attack_slow: float = 0.0
    defence_slow: float = 0.0
    attack_fast: float = 0.0
    defence_fast: float = 0.0
    form: float = 0.5
    surprise: float = 0.0
    games: int = 0
    season: int = 0
    season_games: int = 0
    last_start: float = 0.0
    """Seconds since 1970; 0 before the first game."""


@dataclass(slots=True)
class LeagueState:
    """A league before its next game."""

    home_edge: float
    price_home_edge: float
    home_mean: float = 0.0
    away_mean: float = 0.0
    games: int = 0
    teams: dict[str, TeamState] = field(default_factory=dict)

    def copy(self) -> "LeagueState":
        """A state that can advance without this one noticing."""
        return replace(self, teams={name: replace(team) for name, team in self.teams.items()})

    def entering(self, name: str, season: int, rules: Rules) -> TeamState:
        """The team as it enters a game of that season: itself, carried over the summer, or a newcomer."""
        team = self.teams.get(name)
        if team is None:
            rating = START_RATING - (rules.newcomer if self.games else 0.0)
            return TeamState(rating=rating, price_rating=rating, season=season)
        if team.season == season:
            return team
        carry = rules.carry
        return replace(
            team,
            rating=START_RATING + carry * (team.rating - START_RATING),
            price_rating=START_RATING + carry * (team.price_rating - START_RATING),
            attack_slow=carry * team.attack_slow,
            defence_slow=carry * team.defence_slow,
            attack_fast=carry * team.attack_fast,
            defence_fast=carry * team.defence_fast,
            form=0.5 + carry * (team.form - 0.5),
            surprise=carry * team.surprise,
            season=season,
            season_games=0,
        )

    def to_json(self) -> str:
        """The whole state; ``from_json`` gives it back to the last bit."""
        return json.dumps(asdict(self), separators=(",", ":"), allow_nan=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "LeagueState":
        """Raises DataIntegrityError if the text is not a state."""
        try:
            content = json.loads(text)
            teams = {name: TeamState(**team) for name, team in content.pop("teams").items()}
            return cls(**content, teams=teams)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = "A stored league state cannot be read."
            raise DataIntegrityError(msg, hint="Run `dbsbm features build` to make it anew.") from error


class Played(NamedTuple):
    """A finished game: who met, how it ended, and the last price before it began."""

    game: Game
    result: Result
    closing: Prices | None


def initial_state(rules: Rules) -> LeagueState:
    """A league before its first game."""
    return LeagueState(home_edge=rules.home_edge, price_home_edge=rules.home_edge)


def expectation(gap: float) -> float:
    """Expected score (win 1, draw 1/2) of the side that is ``gap`` rating points ahead (Elo 1978)."""
    return float(1 / (1 + 10 ** (-gap / SCALE)))


def rating_points(probability: float) -> float:
    """The gap at which ``expectation`` gives the probability; kept within 1 % and 99 %."""
    bounded = min(max(probability, 0.01), 0.99)
    return SCALE * log(bounded / (1 - bounded)) / log(10)


def advance(state: LeagueState, played: Played, rules: Rules) -> LeagueState:
    """The state after one more result; the state handed in is used up."""
    game, result, closing = played
    if result.home_score is None or result.away_score is None:
        return state
    home = state.entering(game.home_team, game.season, rules)
    away = state.entering(game.away_team, game.season, rules)
    _advance_ratings(state, home, away, played, rules)
    _advance_price_ratings(state, home, away, game, closing, rules)
    _advance_rates(state, home, away, result.home_score, result.away_score, rules)
    for team in (home, away):
        team.games += 1
        team.season_games += 1
        team.last_start = game.start_at.timestamp()
    state.teams[game.home_team] = home
    state.teams[game.away_team] = away
    state.games += 1
    return state


def _advance_ratings(state: LeagueState, home: TeamState, away: TeamState, played: Played, rules: Rules) -> None:
    """Elo with a home edge that drifts and a margin that counts by its logarithm.

    The divisor keeps favourites, who win by more, from inflating (Silver & Fischer-Baum 2015, on NFL and NBA Elo).
    """
    margin = (played.result.home_score or 0) - (played.result.away_score or 0)
    edge = 0.0 if played.game.neutral else state.home_edge
    gap = home.rating + edge - away.rating
    outcome = 1.0 if margin > 0 else 0.0 if margin < 0 else 0.5
    surprise = outcome - expectation(gap)
    ahead = gap if margin > 0 else -gap if margin < 0 else abs(gap)
    shift = rules.k * surprise * log1p(max(abs(margin), 1)) * 2.2 / (2.2 + 0.001 * ahead)
    home.rating += shift
    away.rating -= shift
    if not played.game.neutral:
        state.home_edge += 0.05 * shift
    home.surprise += rules.fast * (surprise - home.surprise)
    away.surprise += rules.fast * (-surprise - away.surprise)
    home.form += 0.2 * (outcome - home.form)
    away.form += 0.2 * (1 - outcome - away.form)


def _advance_price_ratings(
    state: LeagueState, home: TeamState, away: TeamState, game: Game, closing: Prices | None, rules: Rules
) -> None:
    """Ratings that follow the closing price of finished games (Wunderlich & Memmert 2018).

    A game nobody priced leaves them where they are.
    """
    expected = None if closing is None else closing.home_expectation
    if expected is None:
        return
    edge = 0.0 if game.neutral else state.price_home_edge
    missing = rating_points(expected) - (home.price_rating + edge - away.price_rating)
    shift = rules.price_rate * missing / 2
    home.price_rating += shift
    away.price_rating -= shift
    if not game.neutral:
        state.price_home_edge += 0.02 * shift


def _advance_rates(
    state: LeagueState, home: TeamState, away: TeamState, home_score: int, away_score: int, rules: Rules
) -> None:
    """Attack and defence as differences from the league's mean, each corrected by the opponent's, at two speeds."""
    home_slow = home_score - (state.home_mean + home.attack_slow + away.defence_slow)
    away_slow = away_score - (state.away_mean + away.attack_slow + home.defence_slow)
    home_fast = home_score - (state.home_mean + home.attack_fast + away.defence_fast)
    away_fast = away_score - (state.away_mean + away.attack_fast + home.defence_fast)
    if state.games:
        home.attack_slow += rules.slow * home_slow
        away.defence_slow += rules.slow * home_slow
        away.attack_slow += rules.slow * away_slow
        home.defence_slow += rules.slow * away_slow
        home.attack_fast += rules.fast * home_fast
        away.defence_fast += rules.fast * home_fast
        away.attack_fast += rules.fast * away_fast
        home.defence_fast += rules.fast * away_fast
    weight = max(1 / (state.games + 1), 0.002)
    state.home_mean += weight * (home_score - state.home_mean)
    state.away_mean += weight * (away_score - state.away_mean)

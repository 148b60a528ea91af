"""A league's state as it is stored: as JSON that is read back to the last bit."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataIntegrityError
from feature_store.history.ratings import LEAGUE, TEAM, Rules


@dataclass(frozen=True, eq=False)
class LeagueState:
    """The league's record and one per team that has played, by name."""

    league: NDArray[Any]
    """One record of ``LEAGUE``."""
    teams: dict[str, NDArray[Any]]
    """One record of ``TEAM`` each."""

    @property
    def games(self) -> int:
        """Games behind this state."""
        return int(self.league["games"])

    def season_of(self, team: str) -> int:
        """The season of the team's last game."""
        return int(self.teams[team]["season"])

    def to_json(self) -> str:
        """The whole state; ``from_json`` reads it back to the last bit."""
        content = {
            "league": self.league.tolist(),
            "teams": {name: team.tolist() for name, team in sorted(self.teams.items())},
        }
        return json.dumps(content, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "LeagueState":
        """The state that ``to_json`` wrote. Raises DataIntegrityError if the text is none."""
        try:
            content = json.loads(text)
            league = np.array(tuple(content["league"]), dtype=LEAGUE)
            teams = {name: np.array(tuple(team), dtype=TEAM) for name, team in content["teams"].items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = "Stored league state unreadable."
            raise DataIntegrityError(msg, hint="Run `dbsbm features build` to build it again.") from error
        return cls(league, teams)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LeagueState) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A state to continue from: after every game that ended by ``horizon``, with all corrections known since."""

    horizon: datetime
    settled_at: datetime
    """The last moment at which anything about those games changed; as of earlier moments it must not be used."""
    state: LeagueState


def initial_league(rules: Rules) -> NDArray[Any]:
    """A league before its first game: one record of ``LEAGUE``."""
    league = np.zeros((), dtype=LEAGUE)
    league["home_edge"] = league["price_home_edge"] = rules.home_edge
    return league

"""What a bet and each leg of a parlay backs, as fixed words: names are compared with the game's, never stored."""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from core.betting.leagues import League, Leagues
from core.errors import ResourceNotFoundError
from feature_store.identity.team_aliases import Aliases
from feature_store.sources.upstream.json_fields import RejectedValueError, at_path, decode_object, list_entries

LONGEST_GAME_ID: Final = 20
LEAST_AMERICAN: Final = 100
MOST_AMERICAN: Final = 1e8
MOST_LEGS: Final = 50
_WORDS: Final[Mapping[str, str]] = {"over": "over", "under": "under", "draw": "draw", "tie": "draw"}

GameKey = tuple[League, str]
Teams = Mapping[GameKey, tuple[str, str]]
"""Home and away side of games."""


class Pick(NamedTuple):
    """One thing backed: its game, American odds, and the bot's texts about it, which may hold anything."""

    league: League | None
    game_id: str | None
    odds_american: float | None
    texts: tuple[str, ...]

    @property
    def game(self) -> GameKey | None:
        """The game's key in the archive, None for a manual bet or a league that is not configured."""
        return None if self.league is None or self.game_id is None else (self.league, self.game_id)

    def side(self, teams: Teams, aliases: Aliases) -> str | None:
        """``home``, ``away``, ``draw``, ``over`` or ``under``; None where the texts name none of them."""
        playing = teams.get(self.game, ()) if self.game is not None else ()
        sides = {team.casefold(): side for side, team in zip(("home", "away"), playing, strict=False)}
        for text in self.texts:
            club = text if self.league is None else aliases.team(self.league, text)
            side = sides.get(club.casefold()) or _WORDS.get(text.split()[0].casefold())
            if side:
                return side
        return None


class Picks(NamedTuple):
    """What a bet backs: one thing, or several as legs."""

    own: Pick
    legs: tuple[Pick, ...]

    @property
    def games(self) -> set[GameKey]:
        """The games among them."""
        return {pick.game for pick in (self.own, *self.legs) if pick.game is not None}

    def selections(self, teams: Teams, aliases: Aliases) -> tuple[str | None, str | None]:
        """The side of a straight bet, and a parlay's legs as a JSON list; None for what it is not."""
        if not self.legs:
            return self.own.side(teams, aliases), None
        legs = [
            {
                "league": leg.league.key if leg.league is not None else None,
                "game_id": leg.game_id,
                "selection": leg.side(teams, aliases),
                "odds_american": leg.odds_american,
            }
            for leg in self.legs
        ]
        return None, json.dumps(legs)


def picks_of(details: object, league: League | None, game_id: str | None, leagues: Leagues) -> Picks:
    """What a bet of the league and game backs, by its details; never raises, whatever they hold."""
    try:
        bet = decode_object("bet_details", details)
    except RejectedValueError:
        bet = {}
    legs = list_entries(bet.get("legs_info"))[:MOST_LEGS]
    own = Pick(league, game_id, None, _texts(bet, "team_selected", "provided_line"))
    return Picks(own, tuple(_leg(leg, leagues) for leg in legs))


def _leg(leg: object, leagues: Leagues) -> Pick:
    game_id = upstream_id(at_path(leg, "api_game_id")) or upstream_id(at_path(leg, "game", "api_game_id"))
    texts = _texts(leg, "selection", "team", "line")
    return Pick(league_named(at_path(leg, "league"), leagues), game_id, american(at_path(leg, "odds")), texts)


def league_named(text: object, leagues: Leagues) -> League | None:
    """The league that the bot's text names, None for one that is not configured."""
    try:
        return leagues.get(str(text or ""))
    except ResourceNotFoundError:
        return None


def upstream_id(value: object) -> str | None:
    """A game's number as text, None for anything else: manual bets have none."""
    text = str(value or "")
    return text if text.isascii() and text.isdigit() and len(text) <= LONGEST_GAME_ID else None


def american(odds: object) -> float | None:
    """American odds, None for a value that cannot be any."""
    try:
        price = float(str(odds))
    except ValueError:
        return None
    return price if LEAST_AMERICAN <= abs(price) < MOST_AMERICAN else None


def _texts(document: object, *names: str) -> tuple[str, ...]:
    return tuple(text.strip() for name in names if isinstance(text := at_path(document, name), str) and text.strip())

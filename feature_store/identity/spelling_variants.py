"""Which two spellings are likely one club: guesses for a person to decide, never applied by themselves.

Two kinds of evidence count for a pair: the names are alike, or two sources list the same game (same side, same
opponent, same time) under both. Two kinds rule it out: the two have met, or they played different opponents at the same
time.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from itertools import combinations
from typing import Final, NamedTuple

from rapidfuzz import fuzz

from feature_store.archive.facts import GameFact

ALIKE: Final = 75
"""Of 100. Man United and Manchester United are 86 alike, West Ham and West Brom 71."""

FEWEST_SHARED: Final = 2
"""Games under both names that make a pair worth showing even where the names are nothing alike (Spurs, Tottenham)."""

AT_ONCE: Final = timedelta(hours=12)
SAME_KICK_OFF: Final = timedelta(hours=3)
_MEANINGLESS: Final = frozenset({"fc", "afc", "cf", "sc", "ac", "as", "ss", "us", "bk", "if", "club", "the", "de"})


class Suggestion(NamedTuple):
    """Two spellings that may be one club; the one with fewer games is proposed as the alias."""

    alias: str
    team: str
    likeness: int
    """Of the names, from 0 to 100."""

    told_twice: int
    """Games that are in the archive once under each name."""

    alias_games: int
    team_games: int


class _Appearance(NamedTuple):
    game: GameFact
    opponent: str
    at_home: bool


class TeamSchedules:
    """Who played whom and when, by name, in one league."""

    def __init__(self, games: Iterable[GameFact]) -> None:
        self._of: dict[str, list[_Appearance]] = defaultdict(list)
        for game in games:
            self._of[game.home_team].append(_Appearance(game, game.away_team, at_home=True))
            self._of[game.away_team].append(_Appearance(game, game.home_team, at_home=False))
        self._shared_games = Counter(self._pairs_by_shared_game())

    def games(self, name: str) -> int:
        """How many games the archive has under the name."""
        return len(self._of.get(name, ()))

    def names(self) -> list[str]:
        """Every name in the league's games."""
        return sorted(self._of)

    def suggestions(self) -> list[Suggestion]:
        """Pairs of names with evidence for them and none against, the likeliest first."""
        suggestions = []
        for pair in combinations(self.names(), 2):
            likeness, shared = likeness_of(*pair), self._shared_games[pair]
            if (likeness >= ALIKE or shared >= FEWEST_SHARED) and not self.against(*pair):
                alias, team = sorted(pair, key=lambda name: (self.games(name), name))
                suggestions.append(Suggestion(alias, team, likeness, shared, self.games(alias), self.games(team)))
        return sorted(suggestions, key=lambda one: (-one.told_twice, -one.likeness, one.alias, one.team))

    def against(self, one: str, other: str, known: Collection[frozenset[str]] = ()) -> str:
        """Why the two cannot be one club, in words; empty if nothing rules it out.

        ``known`` are pairs of names that are one club, such as the opponents in one game under two ids.
        """
        by_day = defaultdict(list)
        for appearance in self._of.get(other, ()):
            by_day[appearance.game.start_at.date()].append(appearance)
        for mine in self._of.get(one, ()):
            if mine.opponent == other:
                return f"{one} and {other} met on {mine.game.start_at:%Y-%m-%d}"
            for days in (-1, 0, 1):
                for theirs in by_day[mine.game.start_at.date() + timedelta(days=days)]:
                    same = frozenset((mine.opponent, theirs.opponent)) in known
                    same = same or self._may_be_one(mine.opponent, theirs.opponent)
                    if _at_once(mine.game, theirs.game) and not same:
                        day = f"{mine.game.start_at:%Y-%m-%d}"
                        return f"on {day} {one} played {mine.opponent} and {other} played {theirs.opponent}"
        return ""

    def _may_be_one(self, one: str, other: str) -> bool:
        shared = self._shared_games[min(one, other), max(one, other)]
        return one == other or shared >= FEWEST_SHARED or likeness_of(one, other) >= ALIKE

    def _pairs_by_shared_game(self) -> Iterator[tuple[str, str]]:
        """A pair of names, in alphabetical order, for every game that is in the archive under both."""
        hosts: dict[tuple[object, ...], list[_Appearance]] = defaultdict(list)
        for name, appearances in self._of.items():
            for one in appearances:
                hosts[one.opponent, one.at_home, one.game.start_at.date()].append(one._replace(opponent=name))
        for appearances in hosts.values():
            for one, other in combinations(appearances, 2):
                if one.opponent != other.opponent and _same_kick_off(one.game, other.game):
                    yield min(one.opponent, other.opponent), max(one.opponent, other.opponent)


def likeness_of(one: str, other: str) -> int:
    """How alike two names are, from 0 to 100, leaving accents, punctuation and words like FC aside."""
    return round(fuzz.WRatio(_plain(one), _plain(other)))


def _plain(name: str) -> str:
    letters = (sign for sign in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(sign))
    words = "".join(sign if sign.isalnum() else " " for sign in letters).split()
    return " ".join([word for word in words if word not in _MEANINGLESS] or words)


def _at_once(one: GameFact, other: GameFact) -> bool:
    """Whether no club can have played both; a bare date and a time may be a day apart by their zones."""
    if one.date_only != other.date_only:
        return False
    return abs(one.start_at - other.start_at) < AT_ONCE


def _same_kick_off(one: GameFact, other: GameFact) -> bool:
    return one.date_only or other.date_only or abs(one.start_at - other.start_at) < SAME_KICK_OFF

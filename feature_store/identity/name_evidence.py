"""Which names of one league are one club, by all that its listed games show: likeness, other names, and shared games.

A name is judged within its source, because a source writes a club in one way: two names that one source lists are two
clubs, and a name that fits two clubs of a source equally well fits neither.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from itertools import combinations
from typing import Final

from core.betting.leagues import League
from feature_store.identity.listed_games import ListedGame
from feature_store.identity.name_likeness import CONTRADICTING, SAME, block_keys, likeness

ALIKE: Final = 0.7
"""Likeness from which on two names may be one club."""
ONLY_ONE: Final = 0.9
"""Likeness of two names that fit each other and, by ``CLEARLY``, no other name; from here on one is hardly in doubt."""
LEARNED: Final = 0.95
"""Likeness of two names that have stood for each other in several rounds."""
CLEARLY: Final = 0.25
HARDLY: Final = 0.1
"""A name that another one fits nearly as well is not recognised by likeness."""
UNCLEAR: Final = 0.6
FEWEST_NAMES: Final = 8
"""Names that a source must have listed before one of them can be the only one that fits."""
ROUNDS: Final = 3
"""Games against different opponents which two sources list under the two names, and nothing against it."""
SAME_KICK_OFF: Final = timedelta(hours=1)
"""Starts of the listings of such a game differ by at most this."""

Names = tuple[str, str]


def origins_of(league: League, game: ListedGame) -> frozenset[str]:
    """The sources of a game and of the ids that are linked to it.

    All CSV files count as one in baseball, where two clubs may meet twice a day.
    """
    sources = game.sources | game.joined
    if league.sport == "baseball":
        return frozenset(source.partition(":")[0] if source.startswith("csv:") else source for source in sources)
    return sources


class NameEvidence:
    """How surely two names are one club, by the league's listed games."""

    def __init__(self, league: League, games: Sequence[ListedGame], apart: Collection[frozenset[str]] = ()) -> None:
        """``apart`` are pairs of names that are two clubs, whatever speaks for one."""
        self._sport = league.sport
        self._apart = frozenset(apart)
        self._sources: dict[str, set[str]] = defaultdict(set)
        self._of_source: dict[str, set[str]] = defaultdict(set)
        for game in games:
            for name in (game.home_team, game.away_team):
                self._sources[name] |= origins_of(league, game)
        for name, sources in self._sources.items():
            for source in sources:
                self._of_source[source].add(name)
        self._raw = dict(self._likenesses())
        self._near: dict[str, dict[str, float]] = defaultdict(dict)
        for pair in self._raw:
            judged = self._judge(*pair)
            self._near[pair[0]][pair[1]] = self._near[pair[1]][pair[0]] = judged
        self._learned: dict[Names, int] = {}
        self._learn(league, games)

    def likeness(self, one: str, other: str) -> float:
        """How surely the two are one club, from 0 to 1; symmetric."""
        return SAME if one == other else self._near[one].get(other, 0.0)

    def alike(self, name: str) -> list[str]:
        """The name, and every one that may be the same club."""
        return [name, *(other for other, judged in self._near[name].items() if judged >= ALIKE)]

    def sources(self, name: str) -> Collection[str]:
        """The sources that list the name."""
        return self._sources[name]

    def may_be_one(self, one: str, other: str) -> bool:
        """Whether no one has decided that they are two clubs, and no source lists both."""
        return not self.are_apart(one, other) and not self._sources[one] & self._sources[other]

    def are_apart(self, one: str, other: str) -> bool:
        """Whether the two are known to be two clubs."""
        return frozenset((one, other)) in self._apart

    def rounds(self, one: str, other: str) -> int:
        """Games against different opponents that were listed under both names, where that decided; else 0."""
        return self._learned.get(_in_order(one, other), 0)

    def _likenesses(self) -> Iterator[tuple[Names, float]]:
        blocks: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._sources):
            for key in block_keys(self._sport, name):
                blocks[key].append(name)
        for pair in {pair for names in blocks.values() for pair in combinations(names, 2)}:
            alike = likeness(self._sport, *pair)
            if alike > CONTRADICTING:
                yield pair, alike

    def _judge(self, one: str, other: str) -> float:
        """The likeness of two names in the light of the other names of their sources."""
        raw = self._raw[one, other]
        if self.are_apart(one, other):
            return 0.0
        if self._sources[one] & self._sources[other]:
            return UNCLEAR if raw == SAME else CONTRADICTING
        rivals = max(self._best_rival(one, other), self._best_rival(other, one))
        if rivals == SAME or (raw < SAME and rivals > raw - HARDLY):
            return min(raw, UNCLEAR)
        if raw >= ALIKE and rivals <= raw - CLEARLY and min(self._listed(one), self._listed(other)) >= FEWEST_NAMES:
            return max(raw, ONLY_ONE)
        return raw

    def _best_rival(self, name: str, of: str) -> float:
        """How alike ``name`` and the best other name in the sources of ``of`` are."""
        others = set().union(*(self._of_source[source] for source in self._sources[of])) - {name, of}
        return max((self._raw.get(_in_order(name, rival), 0.0) for rival in others), default=0.0)

    def _listed(self, name: str) -> int:
        return max(len(self._of_source[source]) for source in self._sources[name])

    def _learn(self, league: League, games: Sequence[ListedGame]) -> None:
        """Take names as one club that have stood for each other in the games of several rounds.

        Whom they stood for is clear only where the opponent is, so what is learned may teach more.
        """
        shared = _SharedGames(league, games)
        while True:
            rounds = shared.rounds(self)
            new = {pair: count for pair, count in rounds.items() if self.likeness(*pair) < LEARNED}
            if not new:
                return
            self._learned |= new
            for one, other in new:
                self._near[one][other] = self._near[other][one] = LEARNED


class _SharedGames:
    """The listings of one league, found by one of the clubs, its side and the start."""

    def __init__(self, league: League, games: Sequence[ListedGame]) -> None:
        self._league = league
        self._games = [game for game in games if not game.date_only]
        self._hosted: dict[tuple[str, bool], list[ListedGame]] = defaultdict(list)
        for game in sorted(self._games, key=lambda game: (game.start_at, game.game_id)):
            self._hosted[game.home_team, True].append(game)
            self._hosted[game.away_team, False].append(game)

    def rounds(self, evidence: NameEvidence) -> dict[Names, int]:
        """Pairs of names by how many opponents both have met on as many days, at the same moments and on the same side.

        Only pairs of which neither name has stood for a third one of the other's sources.
        """
        met: dict[Names, set[str]] = defaultdict(set)
        days: dict[Names, set[date]] = defaultdict(set)
        partners: dict[tuple[str, str], set[str]] = defaultdict(set)
        for game in self._games:
            for at_home in (True, False):
                anchor, name = _sides(game, at_home=at_home)
                for other in self._listed_with(evidence, anchor, game, at_home=at_home):
                    opponent, mate = _sides(other, at_home=at_home)
                    for source in origins_of(self._league, other):
                        partners[name, source].add(mate)
                    if mate != name:
                        pair = _in_order(name, mate)
                        met[pair].add(min(anchor, opponent))
                        days[pair].add(min(game.start_at, other.start_at).date())
        counts = {pair: min(len(met[pair]), len(days[pair])) for pair in met}
        return {
            (one, other): count
            for (one, other), count in counts.items()
            if count >= ROUNDS
            and evidence.may_be_one(one, other)
            and all(partners[one, source] <= {one, other} for source in evidence.sources(other))
            and all(partners[other, source] <= {one, other} for source in evidence.sources(one))
        }

    def _listed_with(
        self, evidence: NameEvidence, anchor: str, game: ListedGame, *, at_home: bool
    ) -> Iterator[ListedGame]:
        for name in evidence.alike(anchor):
            if evidence.likeness(anchor, name) < ONLY_ONE:
                continue
            listed = self._hosted[name, at_home]
            first = bisect_left(listed, game.start_at - SAME_KICK_OFF, key=lambda one: one.start_at)
            for place in range(first, len(listed)):
                other = listed[place]
                if other.start_at > game.start_at + SAME_KICK_OFF:
                    break
                if not origins_of(self._league, other) & origins_of(self._league, game):
                    yield other


def _sides(game: ListedGame, *, at_home: bool) -> Names:
    """The club on that side, and the other one."""
    return (game.home_team, game.away_team) if at_home else (game.away_team, game.home_team)


def _in_order(one: str, other: str) -> Names:
    return (one, other) if one < other else (other, one)

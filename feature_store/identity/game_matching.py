"""Which listed games of two sources are one game: a written rule with a score, without a database.

Two games of one league and of different sources are compared if a club of one may be a club of the other
(``NameEvidence``) and no club can have played both: their starts differ by less than ``StartLimits.reach`` (12 hours;
in baseball, with double-headers, 3 hours), or, where one has a bare date, they are on the same local day.

    score = 0.4 home + 0.4 away + 0.2 start

``home`` and ``away`` are the likenesses of the names, from 0 to 1. ``start`` falls from 1 for equal starts to 0.5 at
``StartLimits.sure`` (3 hours; in baseball 45 minutes) and to 0 at ``StartLimits.reach``; a bare date counts 0.75.

A pair is *sure* if each game is the other's best in its source, the score is at least ``SURE``, it exceeds that of
every other candidate of either game by ``MARGIN``, both names are at least ``ALIKE``, the starts differ by at most
``StartLimits.sure``, and nothing contradicts it: two different results, exchanged sides, a double-header that one
source lists in part, a bare date in baseball, or a third game of the same source that is sure as well.

Other pairs are *doubtful*, the best of each game, if the score is at least ``DOUBTFUL`` and both names are ``ALIKE`` or
one is hardly in doubt (``ONLY_ONE``). Everything else is two games.

The rule is symmetric, does not depend on the order of the games, and finds nothing more in its own result. Its version
is stored with every link; ``docs/decisions/0074`` has the measurements behind the thresholds.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from typing import Final, NamedTuple

from core.betting.leagues import League
from feature_store.identity.duplicate_games import local_day
from feature_store.identity.listed_games import ListedGame
from feature_store.identity.name_evidence import ALIKE, ONLY_ONE, NameEvidence, origins_of

RULE: Final = "match-1"
"""Version of the rule: changes with any weight, threshold or word list."""

NAME_WEIGHT: Final = 0.4
START_WEIGHT: Final = 0.2
SURE: Final = 0.86
DOUBTFUL: Final = 0.5
MARGIN: Final = 0.1
BARE_DATE: Final = 0.75
AT_LIMIT: Final = 0.5
CLASH: Final = "games of one source would become one game"
LONGEST_REACH: Final = timedelta(hours=30)
"""A bare date, which means 16:00 UTC, is never further from a start on that day."""


class StartLimits(NamedTuple):
    """How far apart two sources may list the start of one game."""

    sure: timedelta
    reach: timedelta


LIMITS: Final = StartLimits(timedelta(hours=3), timedelta(hours=12))
"""Time zones of two sources may differ; no club plays twice within it."""
LIMITS_IN_BASEBALL: Final = StartLimits(timedelta(minutes=45), timedelta(hours=3))


class GamePair(NamedTuple):
    """Two listed games that are, or may be, one."""

    one: ListedGame
    other: ListedGame
    score: float
    note: str
    """Why it is doubtful, in words; empty if it is sure."""


@dataclass(frozen=True)
class Matching:
    """What the rule finds among the games of a league; pairs in order of start and id."""

    sure: tuple[GamePair, ...]
    doubtful: tuple[GamePair, ...]
    evidence: NameEvidence


class _Candidate(NamedTuple):
    score: float
    one: ListedGame
    other: ListedGame
    names: float
    """The lower likeness of the two names."""
    turned: bool


def limits_of(league: League) -> StartLimits:
    """How far apart starts of one game may be in the league."""
    return LIMITS_IN_BASEBALL if league.sport == "baseball" else LIMITS


def match(
    league: League,
    games: Sequence[ListedGame],
    *,
    clubs_apart: Collection[frozenset[str]] = (),
    games_apart: Collection[frozenset[str]] = (),
) -> Matching:
    """The pairs of games that are sure, or doubtful, by the rule above.

    ``clubs_apart`` are pairs of names that are two clubs, ``games_apart`` pairs of ids that are two games.
    """
    evidence = NameEvidence(league, games, clubs_apart)
    candidates = [
        candidate
        for candidate in _candidates(league, games, evidence)
        if frozenset((candidate.one.game_id, candidate.other.game_id)) not in games_apart
    ]
    best = _Rivals(league, candidates)
    headers = _double_headers(league, games)
    sure, doubtful = [], []
    for candidate in best.mutual():
        note = _doubt(league, candidate, best.margin(candidate), headers)
        pair = GamePair(candidate.one, candidate.other, round(candidate.score, 4), note)
        if not note:
            sure.append(pair)
        elif candidate.score >= DOUBTFUL:
            doubtful.append(pair)
    groups = _Groups(league, sure)
    clashing = {pair for pair in sure if groups.clash(pair, evidence, games_apart)}
    kept = [pair for pair in sure if pair not in clashing]
    joined = _Groups(league, kept)
    left = [pair for pair in doubtful if not joined.hold(pair)]
    left += [pair._replace(note=CLASH) for pair in clashing]
    return Matching(tuple(sorted(kept, key=_order)), tuple(sorted(left, key=_order)), evidence)


def _candidates(league: League, games: Sequence[ListedGame], evidence: NameEvidence) -> Iterator[_Candidate]:
    """Every two games of different sources that may be one, by their names and starts."""
    of_club: dict[str, list[ListedGame]] = defaultdict(list)
    for game in sorted(games, key=lambda game: (game.start_at, game.game_id)):
        of_club[game.home_team].append(game)
        of_club[game.away_team].append(game)
    for game in games:
        near: dict[str, ListedGame] = {}
        for name in {*evidence.alike(game.home_team), *evidence.alike(game.away_team)}:
            listed = of_club[name]
            first = bisect_left(listed, game.start_at - LONGEST_REACH, key=lambda one: one.start_at)
            for place in range(first, len(listed)):
                if listed[place].start_at > game.start_at + LONGEST_REACH:
                    break
                near[listed[place].game_id] = listed[place]
        for game_id, other in near.items():
            if game.game_id < game_id and not origins_of(league, game) & origins_of(league, other):
                candidate = _compare(league, game, other, evidence)
                if candidate is not None:
                    yield candidate


def _compare(league: League, one: ListedGame, other: ListedGame, evidence: NameEvidence) -> _Candidate | None:
    start = _start(league, one, other)
    straight = evidence.likeness(one.home_team, other.home_team), evidence.likeness(one.away_team, other.away_team)
    across = evidence.likeness(one.home_team, other.away_team), evidence.likeness(one.away_team, other.home_team)
    turned = sum(across) > sum(straight)
    names = across if turned else straight
    mixed = zip((one.home_team, one.away_team), _teams(other, turned=turned), strict=True)
    if start == 0 or any(evidence.are_apart(*pair) for pair in mixed):
        return None
    if min(names) < ALIKE and (turned or max(names) < ONLY_ONE):
        return None
    score = NAME_WEIGHT * sum(names) + START_WEIGHT * start
    return _Candidate(score, one, other, min(names), turned)


def _teams(game: ListedGame, *, turned: bool) -> tuple[str, str]:
    return (game.away_team, game.home_team) if turned else (game.home_team, game.away_team)


def _start(league: League, one: ListedGame, other: ListedGame) -> float:
    """How well the starts agree, from 0 to 1; 0 rules the pair out."""
    if one.date_only or other.date_only:
        return BARE_DATE if local_day(league, one) == local_day(league, other) else 0.0
    limits, apart = limits_of(league), abs(one.start_at - other.start_at)
    if apart <= limits.sure:
        return 1 - (1 - AT_LIMIT) * (apart / limits.sure)
    return max(0.0, AT_LIMIT * (1 - (apart - limits.sure) / (limits.reach - limits.sure)))


class _Rivals:
    """The candidates of each game in each source of the other one, the best first."""

    def __init__(self, league: League, candidates: Iterable[_Candidate]) -> None:
        self._league = league
        self._all = sorted(candidates, key=lambda one: (-one.score, one.one.game_id, one.other.game_id))
        self._of: dict[tuple[str, str], list[_Candidate]] = defaultdict(list)
        for candidate in self._all:
            for place in self._places(candidate):
                self._of[place].append(candidate)

    def mutual(self) -> list[_Candidate]:
        """Candidates that no other one of either game exceeds."""
        return [one for one in self._all if all(self._of[place][0].score <= one.score for place in self._places(one))]

    def margin(self, candidate: _Candidate) -> float:
        """By how much the candidate exceeds every other one of either game."""
        others = [one.score for place in self._places(candidate) for one in self._of[place][:2] if one is not candidate]
        return candidate.score - max(others, default=0.0)

    def _places(self, candidate: _Candidate) -> list[tuple[str, str]]:
        """Each game with each source of the other one."""
        one, other = candidate.one, candidate.other
        return [
            *((one.game_id, source) for source in origins_of(self._league, other)),
            *((other.game_id, source) for source in origins_of(self._league, one)),
        ]


def _doubt(league: League, pair: _Candidate, margin: float, headers: Mapping[str, int]) -> str:
    """Why the pair is not sure, in words; empty if it is."""
    one, other = pair.one, pair.other
    bare = one.date_only or other.date_only
    if pair.turned:
        return "home and away are exchanged"
    if one.score is not None and other.score is not None and one.score != other.score:
        return "the results differ"
    if pair.names < ALIKE:
        return f"{_names(one)} and {_names(other)}: one club has two names that are not known to be one"
    if league.sport == "baseball" and (bare or headers[one.game_id] != headers[other.game_id]):
        return "a double-header cannot be excluded"
    if not bare and abs(one.start_at - other.start_at) > limits_of(league).sure:
        return f"the starts differ by {abs(one.start_at - other.start_at)}"
    if margin < MARGIN:
        return "another game fits as well"
    if pair.score < SURE:
        return f"{_names(one)} and {_names(other)}: the names are only alike"
    return ""


def _names(game: ListedGame) -> str:
    return f"{game.home_team} v {game.away_team}"


def _double_headers(league: League, games: Iterable[ListedGame]) -> Mapping[str, int]:
    """In baseball: how often the source of each game lists its clubs on that day, by id."""
    if league.sport != "baseball":
        return {}
    meetings: dict[object, list[str]] = defaultdict(list)
    for game in games:
        key = (origins_of(league, game), frozenset((game.home_team, game.away_team)), local_day(league, game))
        meetings[key].append(game.game_id)
    return {game_id: len(own) for own in meetings.values() for game_id in own}


class _Groups:
    """The games that become one by the sure pairs: with three sources, more than two."""

    def __init__(self, league: League, pairs: Iterable[GamePair]) -> None:
        self._league = league
        games = {game.game_id: game for pair in pairs for game in (pair.one, pair.other)}
        self._group = groups_of((pair.one.game_id, pair.other.game_id) for pair in pairs)
        self._members: dict[str, list[ListedGame]] = defaultdict(list)
        for game_id, group in self._group.items():
            self._members[group].append(games[game_id])

    def hold(self, pair: GamePair) -> bool:
        """Whether the two games are one already."""
        group = self._group.get(pair.one.game_id)
        return group is not None and group == self._group.get(pair.other.game_id)

    def clash(self, pair: GamePair, evidence: NameEvidence, games_apart: Collection[frozenset[str]]) -> bool:
        """Whether the pair's group has two games of one source, or two that are known to be apart."""
        members = self._members[self._group[pair.one.game_id]]
        return any(
            origins_of(self._league, one) & origins_of(self._league, other)
            or frozenset((one.game_id, other.game_id)) in games_apart
            or evidence.are_apart(one.home_team, other.home_team)
            or evidence.are_apart(one.away_team, other.away_team)
            for one, other in combinations(members, 2)
        )


def groups_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What belongs together by the pairs: the first of its group, in alphabetical order, by member."""
    first: dict[str, str] = {}

    def find(member: str) -> str:
        while first.setdefault(member, member) != member:
            member = first[member]
        return member

    for one, other in pairs:
        low, high = sorted((find(one), find(other)))
        first[high] = low
    return {member: find(member) for member in [*first]}


def _order(pair: GamePair) -> tuple[object, ...]:
    return (pair.one.start_at, pair.one.game_id, pair.other.game_id)

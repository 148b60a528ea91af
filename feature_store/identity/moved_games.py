"""Games that are listed twice because a date, or the home side, was corrected and the id was made from it.

The same clubs meet within days, and the scores are the same, or one of the two has none. Where clubs meet in series
that happens to different games, too, so the league's other games decide whether it says anything: how often its clubs
meet again so soon, and how often two of its games have the same score.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from core.betting.leagues import League
from feature_store.identity.listed_games import ListedGame

WINDOWS: Final = (timedelta(days=30), timedelta(days=7), timedelta(days=3))
"""Within how many days a game and its correction start: the longest in which the league's games allow a judgement."""
LONGEST_TURNED: Final = timedelta(days=7)
"""The same with the sides exchanged: clubs meet again at the other's ground sooner than at the same one."""
BY_CHANCE: Final = 0.2
"""Largest share of the pairs with the same score that may have it by chance."""
RARELY_AGAIN: Final = 0.01
"""Share of games that are followed by another one of the same clubs, below which clubs do not meet in series."""
FEWEST_TO_JUDGE: Final = 300
"""Games from which on a league shows by itself how often its clubs meet in series."""
ONCE_A_MONTH: Final = frozenset({"soccer", "american_football", "rugby", "handball"})
"""Sports in which two clubs do not meet twice within a month at the same ground, except in play-offs."""
IN_SERIES: Final = frozenset({"baseball"})
"""Sports in which clubs usually meet on the next day again, also in a league of few games so far."""


class _NearGames(NamedTuple):
    """Two games of the same clubs within days of each other, in order of start."""

    one: ListedGame
    other: ListedGame

    @property
    def apart(self) -> timedelta:
        return self.other.start_at - self.one.start_at

    @property
    def turned(self) -> bool:
        return self.one.home_team != self.other.home_team

    @property
    def both_ended(self) -> bool:
        return self.one.score is not None and self.other.score is not None

    @property
    def same_score(self) -> bool:
        """Whether both ended alike; with the sides exchanged either by clubs or by sides."""
        first, second = self.one.score, self.other.score
        return first is not None and second is not None and (first == second or (self.turned and first == second[::-1]))


def find_moved(league: League, games: Sequence[ListedGame]) -> Iterator[tuple[ListedGame, ListedGame]]:
    """Pairs of games that are probably one, the nearest first; a game may be in several."""
    near = list(_near_games(games))
    straight = [pair for pair in near if not pair.turned]
    turned = [pair for pair in near if pair.turned and pair.apart <= LONGEST_TURNED]
    alike = _by_chance(games)
    found = [
        *_same_scores(league, straight, len(games), alike),
        *_same_scores(league, turned, len(games), 2 * alike),
        *_unplayed(league, straight, len(games)),
    ]
    for pair in sorted(found, key=lambda pair: (pair.apart, pair.one.game_id, pair.other.game_id)):
        yield pair.one, pair.other


def _near_games(games: Iterable[ListedGame]) -> Iterator[_NearGames]:
    """Every two games of the same two clubs, at either ground, that the longest window covers."""
    meetings: dict[frozenset[str], list[ListedGame]] = defaultdict(list)
    for game in games:
        meetings[frozenset((game.home_team, game.away_team))].append(game)
    for own in meetings.values():
        own.sort(key=lambda game: (game.start_at, game.game_id))
        for place, one in enumerate(own):
            for other in own[place + 1 :]:
                if other.start_at - one.start_at > WINDOWS[0]:
                    break
                yield _NearGames(one, other)


def _by_chance(games: Iterable[ListedGame]) -> float:
    """The probability that two games of the league end alike."""
    scores = Counter(game.score for game in games if game.score is not None)
    total = scores.total()
    return sum(count * (count - 1) for count in scores.values()) / max(total * (total - 1), 1)


def _same_scores(league: League, near: Sequence[_NearGames], games: int, alike: float) -> Iterable[_NearGames]:
    """Pairs with the same score in the longest window in which hardly any of them has it by chance."""
    ended = [pair for pair in near if pair.both_ended]
    unseen = games if league.sport in IN_SERIES and games < FEWEST_TO_JUDGE else 0
    for window in WINDOWS:
        within = [pair for pair in ended if pair.apart <= window]
        same = [pair for pair in within if pair.same_score]
        others = len(within) - len(same) + unseen
        if same and others * alike <= BY_CHANCE * len(same):
            return same
    return ()


def _unplayed(league: League, near: Sequence[_NearGames], games: int) -> Iterable[_NearGames]:
    """Pairs of which one has no score, in the longest window in which the league's clubs do not meet again."""
    if league.sport not in ONCE_A_MONTH:
        return ()
    for window in WINDOWS:
        within = [pair for pair in near if pair.apart <= window]
        again = sum(1 for pair in within if pair.both_ended and not pair.same_score)
        if again <= RARELY_AGAIN * games:
            return [pair for pair in within if not (pair.both_ended or pair.one.playoff or pair.other.playoff)]
    return ()

"""Ids that a newer edition of a list no longer has, beside new ones for the same clubs: a date or a side was corrected.

This is noticed only when the newer edition is read, but in every sport: it needs neither scores nor rare meetings.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from feature_store.archive.facts import GameFact

MOST_MOVED: Final = timedelta(days=3)
"""Within how many days a game and its correction start."""
SAME_LIST: Final = 0.5
"""Share of the archived games of its time that a newer edition of their list has at least."""


class Moved(NamedTuple):
    """An id that is gone from a list, and the new one that probably stands for the same game."""

    game_id: str
    same_as: str


def find_dropped(listed: Sequence[GameFact], archived: Iterable[GameFact]) -> list[Moved]:
    """Archived ids that the list lacks although it covers their time, with its new id for a game of the same clubs."""
    if not listed:
        return []
    first, last = min(game.start_at for game in listed), max(game.start_at for game in listed)
    ids, held = {game.game_id for game in listed}, {game.game_id: game for game in archived}
    covered = [game for game in held.values() if first <= game.start_at <= last and game.status != "void"]
    gone = [game for game in covered if game.game_id not in ids]
    if not gone or len(gone) > (1 - SAME_LIST) * len(covered):
        return []
    fresh: dict[frozenset[str], list[GameFact]] = defaultdict(list)
    for game in listed:
        if game.game_id not in held:
            fresh[_clubs(game)].append(game)
    moved = []
    for game in sorted(gone, key=lambda game: (game.start_at, game.game_id)):
        near = [other for other in fresh[_clubs(game)] if abs(other.start_at - game.start_at) <= MOST_MOVED]
        if near:
            other = min(near, key=lambda other: (abs(other.start_at - game.start_at), other.game_id))
            fresh[_clubs(game)].remove(other)
            moved.append(Moved(game.game_id, other.game_id))
    return moved


def _clubs(game: GameFact) -> frozenset[str]:
    return frozenset((game.home_team, game.away_team))

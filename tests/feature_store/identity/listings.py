"""Games as several sources list them: rounds of the clubs in ``club_names.tsv``, each source in its own spelling.

The table has the clubs of five countries, from the first division to those that were once promoted, as football-data.co.uk,
API-Sports and The Odds API write them. It was written by hand for these tests.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from feature_store.identity.game_matching import Matching, groups_of
from feature_store.identity.listed_games import ListedGame

SOURCES = ("football_data", "api_sports", "the_odds_api")
KICK_OFF = datetime(2026, 8, 15, 14, tzinfo=UTC)
WEEK = timedelta(days=7)
Clubs = list[dict[str, str]]


class Listings(NamedTuple):
    """Listed games, and which game each id stands for."""

    games: list[ListedGame]
    meant: dict[str, object]


def club_table() -> Mapping[str, Clubs]:
    """The rows of the table by league."""
    by_league: dict[str, Clubs] = defaultdict(list)
    with Path(__file__).with_name("club_names.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            by_league[row["league"]].append(row)
    return by_league


def listed(game_id: str, home: str, away: str, start: datetime = KICK_OFF, **changes: object) -> ListedGame:
    """A game as one source lists it; its source is the part of the id before the first blank."""
    source = frozenset({game_id.partition(" ")[0]})
    usual = ListedGame(game_id, 2026, start, False, home, away, False, KICK_OFF, source)
    return usual._replace(**changes)  # type: ignore[arg-type]


def rounds(clubs: Clubs, seed: int, *, count: int, missing: float = 0.0, shift: int = 0) -> Listings:
    """Rounds of all divisions, all games of a round at once; sources miss some games and shift kick-offs [min]."""
    random, games, meant = Random(seed), list[ListedGame](), dict[str, object]()
    divisions: dict[str, Clubs] = defaultdict(list)
    for club in clubs:
        divisions[club["level"]].append(club)
    for level, members in divisions.items():
        random.shuffle(members)
        for number, pairs in enumerate(_circle(len(members), count)):
            for home, away in pairs:
                for source in SOURCES:
                    if random.random() >= missing:
                        start = KICK_OFF + number * WEEK + timedelta(minutes=random.choice((-shift, 0, shift)))
                        game_id = f"{source} {level} {number} {home}"
                        meant[game_id] = (level, number, home)
                        games.append(listed(game_id, members[home][source], members[away][source], start))
    return Listings(games, meant)


def _circle(clubs: int, count: int) -> Iterator[list[tuple[int, int]]]:
    """Rounds in which every club plays once; with an odd number one rests."""
    order = [*range(clubs + clubs % 2)]
    for number in range(count):
        pairs = [(order[place], order[-1 - place]) for place in range(len(order) // 2)]
        yield [pair if number % 2 else pair[::-1] for pair in pairs if max(pair) < clubs]
        order = [order[0], order[-1], *order[1:-1]]


def outcome(found: Matching, meant: Mapping[str, object]) -> Counter[str]:
    """How many pairs of ids are linked rightly and wrongly, doubtful rightly and wrongly, and how many there are."""
    counts = Counter[str](right=0, wrong=0, doubtful=0, doubted_in_vain=0)
    groups: dict[str, list[object]] = defaultdict(list)
    for game_id, group in groups_of((pair.one.game_id, pair.other.game_id) for pair in found.sure).items():
        groups[group].append(meant[game_id])
    for members in groups.values():
        for place, one in enumerate(members):
            counts.update("right" if one == other else "wrong" for other in members[:place])
    for pair in found.doubtful:
        counts["doubtful" if meant[pair.one.game_id] == meant[pair.other.game_id] else "doubted_in_vain"] += 1
    counts["all"] = sum(number * (number - 1) // 2 for number in Counter(meant.values()).values())
    return counts


def ids(pairs: Sequence[object]) -> list[tuple[str, str]]:
    """The ids of each pair."""
    return [(pair.one.game_id, pair.other.game_id) for pair in pairs]  # type: ignore[attr-defined]

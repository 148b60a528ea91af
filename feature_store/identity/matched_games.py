"""Finds the same game in several sources among recent games and games to come, and links what is sure.

``link_matches`` records links and aliases, with score and rule, as decisions that people can take back; those they took
back are not made again. ``suggest_matches`` lists what is left for a person, and ``withheld_games`` which ids are not
served because they may be the game of another one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.database.transactions import reading
from feature_store.archive import tables
from feature_store.archive.game_links import LinkDecision, separated_games
from feature_store.identity.duplicate_games import BOT
from feature_store.identity.game_matching import RULE, GamePair, Matching, groups_of, match
from feature_store.identity.linking import link_by_rule
from feature_store.identity.listed_games import ListedGame, list_games
from feature_store.identity.name_evidence import origins_of
from feature_store.identity.team_aliases import Alias, list_aliases, record_aliases_by_rule, refused_aliases

MATCHER: Final = "matcher"
"""Who decides, in links and aliases."""
RECENT: Final = timedelta(days=30)
"""How far back games are compared: enough rounds to learn names from."""


NOT_LINKED: Final = "sure, but not linked yet, or the archive shows its names as two clubs"


class MatchSuggestion(NamedTuple):
    """Two ids that may be one game; until a person decides, ``same_as`` alone is served."""

    league: str
    game_id: str
    same_as: str
    home_team: str
    away_team: str
    start_at: datetime
    sources: str
    score: float
    note: str
    """Why it is not linked, and why ``same_as`` is the one that is served."""


@dataclass(frozen=True)
class LeagueMatches:
    """What one run has linked in a league, and what it leaves to people."""

    league: str
    links: tuple[LinkDecision, ...]
    aliases: tuple[Alias, ...]
    doubtful: int
    refuted: tuple[Alias, ...]
    """Names of sure games which the archive shows as two clubs; these games are not linked, and served once."""


class _Preference:
    """Which of several ids of one game is kept and served."""

    def __init__(self, league: League, games: Sequence[ListedGame]) -> None:
        self._league = league
        counts = Counter(source for game in games for source in origins_of(league, game))
        self.primary = min(counts, key=lambda source: (-counts[source], source), default="")

    def order(self, games: Iterable[ListedGame]) -> list[ListedGame]:
        """The games, the one to keep first."""
        return sorted(games, key=self._key)

    def reason(self, kept: ListedGame) -> str:
        """Why it is kept, in words."""
        if BOT in kept.sources:
            return "the bot's own id"
        if len(origins_of(self._league, kept)) > 1:
            return "more sources list it"
        if self.primary in origins_of(self._league, kept):
            return f"{self.primary} lists most games of {self._league.key}"
        return "the first in alphabetical order"

    def _key(self, game: ListedGame) -> tuple[object, ...]:
        origins = origins_of(self._league, game)
        return (BOT not in game.sources, -len(origins), self.primary not in origins, game.game_id)


def link_matches(engine: Engine, league: League, now: datetime) -> LeagueMatches:
    """Link the games that are sure, and record their names as aliases. Run twice it adds nothing.

    Aliases are recorded first: after a crash in between, the same games are found again, under one name.
    """
    games = list_games(engine, league, now, now - RECENT)
    matching = _match(engine, league, games)
    aliases, refuted = _record_names(engine, league, matching, now)
    two_clubs = {name for one in refuted for name in (one.alias, one.team)}
    sure = [pair for pair in matching.sure if two_clubs.isdisjoint(_names_to_decide(pair))]
    preference, by_id = _Preference(league, games), {game.game_id: game for game in games}
    scores = _best_scores(sure)
    proposed = []
    for group in _groups(pair_ids(sure)):
        kept, *others = preference.order(by_id[game_id] for game_id in group)
        proposed += [
            LinkDecision(other.game_id, kept.game_id, MATCHER, score=scores[other.game_id], rule=RULE)
            for other in others
        ]
    links = link_by_rule(engine, league, proposed, now=now) if proposed else []
    return LeagueMatches(league.key, tuple(links), tuple(aliases), len(matching.doubtful), tuple(refuted))


def suggest_matches(engine: Engine, league: League, now: datetime) -> list[MatchSuggestion]:
    """Pairs of ids that may be one game, by start: the doubtful ones, and sure ones that are not linked yet."""
    games = list_games(engine, league, now, now - RECENT)
    matching, preference = _match(engine, league, games), _Preference(league, games)
    suggestions = []
    for pair in sorted((*matching.doubtful, *matching.sure), key=lambda pair: (pair.one.start_at, pair.one.game_id)):
        kept, other = preference.order((pair.one, pair.other))
        served = f"{kept.game_id} is served: {preference.reason(kept)}"
        sources = f"{', '.join(sorted(other.sources))} / {', '.join(sorted(kept.sources))}"
        names = kept.home_team, kept.away_team, kept.start_at
        note = f"{pair.note or NOT_LINKED}; {served}"
        suggestions.append(MatchSuggestion(league.key, other.game_id, kept.game_id, *names, sources, pair.score, note))
    return suggestions


def withheld_games(engine: Engine, league: League, now: datetime) -> dict[str, str]:
    """Games to come that are not served because another one, which is, may be the same: that one, by id."""
    games = list_games(engine, league, now, now - RECENT)
    return choose_withheld(league, games, _match(engine, league, games))


def choose_withheld(league: League, games: Sequence[ListedGame], matching: Matching) -> dict[str, str]:
    """For every two games that may be one, the id that is not served, and the one that is instead."""
    partners: dict[str, set[str]] = defaultdict(set)
    for one, other in pair_ids((*matching.sure, *matching.doubtful)):
        partners[one].add(other)
        partners[other].add(one)
    served: set[str] = set()
    withheld: dict[str, str] = {}
    order = _Preference(league, games).order(game for game in games if game.game_id in partners)
    for game in order:
        instead = min(partners[game.game_id] & served, default=None)
        if instead is None:
            served.add(game.game_id)
        else:
            withheld[game.game_id] = instead
    return withheld


def pair_ids(pairs: Iterable[GamePair]) -> list[tuple[str, str]]:
    """The ids of each pair."""
    return [(pair.one.game_id, pair.other.game_id) for pair in pairs]


def _match(engine: Engine, league: League, games: Sequence[ListedGame]) -> Matching:
    clubs_apart = refused_aliases(engine, league)
    with reading(engine) as connection:
        games_apart = separated_games(connection, league)
    return match(league, games, clubs_apart=clubs_apart, games_apart=games_apart)


def _record_names(engine: Engine, league: League, matching: Matching, now: datetime) -> tuple[list[Alias], list[Alias]]:
    """Record the names of sure games as aliases of the one with the longest history; returns also what is refuted."""
    scores: dict[tuple[str, str], float] = {}
    for pair in matching.sure:
        for names in _sides(pair):
            if names[0] != names[1]:
                scores[names] = max(pair.score, scores.get(names, 0.0))
    if not scores:
        return [], []
    best: dict[str, float] = defaultdict(float)
    for (one, other), score in scores.items():
        best[one], best[other] = max(best[one], score), max(best[other], score)
    groups = _groups(scores)
    history, targets = _games_by_name(engine, league, best), {one.team for one in list_aliases(engine, league)}
    proposed = []
    for group in groups:
        team, *others = sorted(group, key=lambda name: (name not in targets, -history[name], name))
        proposed += [Alias(league.key, name, team, MATCHER, now, best[name], RULE) for name in others]
    known = {frozenset(pair) for group in groups for pair in combinations(group, 2)}
    return record_aliases_by_rule(engine, league, proposed, known)


def _sides(pair: GamePair) -> tuple[tuple[str, str], tuple[str, str]]:
    return (pair.one.home_team, pair.other.home_team), (pair.one.away_team, pair.other.away_team)


def _names_to_decide(pair: GamePair) -> set[str]:
    """The names of the pair's clubs that differ between the two games."""
    return {name for names in _sides(pair) if names[0] != names[1] for name in names}


def _groups(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """What belongs together by the pairs, each group and all of them in alphabetical order."""
    groups: dict[str, list[str]] = defaultdict(list)
    for member, first in groups_of(pairs).items():
        groups[first].append(member)
    return [sorted(members) for _, members in sorted(groups.items())]


def _best_scores(pairs: Iterable[GamePair]) -> Mapping[str, float]:
    """The highest score of each game's pairs, by id."""
    best: dict[str, float] = {}
    for pair in pairs:
        for game in (pair.one, pair.other):
            best[game.game_id] = max(pair.score, best.get(game.game_id, 0.0))
    return best


def _games_by_name(engine: Engine, league: League, names: Iterable[str]) -> Counter[str]:
    """How many versions of games the archive holds under each name."""
    games, wanted, found = tables.games.c, sorted(names), Counter[str]()
    with reading(engine) as connection:
        for side in (games.home_team, games.away_team):
            query = (
                sa.select(side, sa.func.count())
                .where(games.sport == league.sport, games.league == league.key, side.in_(wanted))
                .group_by(side)
            )
            found.update(dict(connection.execute(query).tuples().all()))
    return found

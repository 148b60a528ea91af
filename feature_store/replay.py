"""History played back in the order in which it became known, and feature rows as of any moment of it.

Offline (every past game, as of its start) and online (the games to come, as of now) are the same replay
stopped at different moments, so their rows cannot differ.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from operator import attrgetter
from typing import Final, NamedTuple

from core.betting.leagues import League
from feature_store.facts import Batch, Game, Quote, Result
from feature_store.features import FeatureSet, Situation, compute
from feature_store.prices import Prices, consensus
from feature_store.state import LeagueState, Played, advance, initial_state, rules_of

CHECKPOINT_EVERY: Final = 256
MOST_CHECKPOINTS: Final = 64

_known_at = attrgetter("known_at")
_Order = tuple[datetime, datetime, str]


class Fold:
    """Finished games in the order in which they ended, and the league's state after the last of them.

    A result that arrives late, or a correction, takes its place in that order and the state is made again
    from the checkpoint before it.
    """

    def __init__(self, league: League) -> None:
        self._rules = rules_of(league.sport)
        self._order: list[_Order] = []
        self._games: dict[_Order, Played] = {}
        self._order_of: dict[str, _Order] = {}
        self._applied = 0
        self._state = initial_state(self._rules)
        self._checkpoints = [(0, self._state.copy())]

    def put(self, played: Played) -> None:
        """Enter a finished game, in place of what was known of it before."""
        game_id = played.game.game_id
        order = (played.result.finished_at, played.game.start_at, game_id)
        if self._games.get(order) == played:
            return
        self.drop(game_id)
        place = bisect_left(self._order, order)
        self._rewind(place)
        self._order.insert(place, order)
        self._games[order] = played
        self._order_of[game_id] = order

    def drop(self, game_id: str) -> None:
        """Forget a game whose result was taken back."""
        order = self._order_of.pop(game_id, None)
        if order is not None:
            place = bisect_left(self._order, order)
            self._rewind(place)
            del self._order[place]
            del self._games[order]

    def state(self) -> LeagueState:
        """The state after every game entered so far; to be read, not changed."""
        while self._applied < len(self._order):
            self._state = advance(self._state, self._games[self._order[self._applied]], self._rules)
            self._applied += 1
            if self._applied % CHECKPOINT_EVERY == 0:
                self._checkpoints.append((self._applied, self._state.copy()))
                if len(self._checkpoints) > MOST_CHECKPOINTS:
                    del self._checkpoints[1:-1:2]
        return self._state

    def _rewind(self, place: int) -> None:
        if place >= self._applied:
            return
        while self._checkpoints[-1][0] > place:
            self._checkpoints.pop()
        self._applied, checkpoint = self._checkpoints[-1]
        self._state = checkpoint.copy()


class Row(NamedTuple):
    """One game's features as of a moment, with what identifies it and the prices known then."""

    game: Game
    as_of: datetime
    values: tuple[float, ...]
    prices: Prices | None


class Replay:
    """A league's facts, let in one after the other as they became known."""

    def __init__(self, league: League, facts: Batch) -> None:
        self._league = league
        self._rules = rules_of(league.sport)
        self._coming: Iterator[Game | Quote | Result] = merge(
            sorted(facts.games, key=_known_at),
            sorted(facts.quotes, key=_known_at),
            sorted(facts.results, key=_known_at),
            key=_known_at,
        )
        self._next: Game | Quote | Result | None = next(self._coming, None)
        self._games: dict[str, Game] = {}
        self._results: dict[str, Result] = {}
        self._quotes: dict[str, list[Quote]] = defaultdict(list)
        self._fold = Fold(league)

    def advance_to(self, moment: datetime) -> None:
        """Let in everything that was known at the moment or before."""
        while self._next is not None and self._next.known_at <= moment:
            self._enter(self._next)
            self._next = next(self._coming, None)

    def _enter(self, fact: Game | Quote | Result) -> None:
        match fact:
            case Game():
                self._games[fact.game_id] = fact
            case Quote():
                self._quotes[fact.game_id].append(fact)
            case Result():
                self._results[fact.game_id] = fact
        if fact.game_id in self._results:
            self._settle(fact.game_id)

    def _settle(self, game_id: str) -> None:
        game, result = self._games.get(game_id), self._results[game_id]
        if game is None or game.status == "void" or result.home_score is None:
            self._fold.drop(game_id)
        else:
            self._fold.put(Played(game, result, self._prices(game)))

    def _prices(self, game: Game) -> Prices | None:
        """Consensus of the quotes shown before the game began."""
        quotes = self._quotes.get(game.game_id, ())
        before = [quote for quote in quotes if quote.quoted_at <= game.start_at]
        return consensus(before, outcomes=self._league.outcomes)

    def state(self) -> LeagueState:
        """The league's state as of the last moment advanced to."""
        return self._fold.state()

    def known(self, game: Game) -> Game:
        """The game as it was known at the last moment advanced to; as first heard of, if it was not known yet."""
        return self._games.get(game.game_id, game)

    def upcoming(self, moment: datetime) -> list[Game]:
        """Games known now that start at the moment or later and were not called off, in order of their start."""
        games = [g for g in self._games.values() if g.start_at >= moment and g.status in ("scheduled", "unknown")]
        return sorted(games, key=lambda game: (game.start_at, game.game_id))

    def situation(self, game: Game) -> Situation:
        """All that a feature may see of the game at the last moment advanced to."""
        state = self._fold.state()
        return Situation(
            league=state,
            home=state.entering(game.home_team, game.season, self._rules),
            away=state.entering(game.away_team, game.season, self._rules),
            game=game,
            prices=self._prices(game),
        )


def past_rows(league: League, facts: Batch, features: FeatureSet) -> Iterator[Row]:
    """The row of every finished game as of its own start, in order of start.

    Which games there are is read from all the facts; what a row holds, only from those known at its start.
    """
    versions = sorted(facts.games, key=_known_at)
    first = {game.game_id: game for game in reversed(versions)}
    latest = {game.game_id: game for game in versions}
    finished = {result.game_id: result for result in sorted(facts.results, key=_known_at)}
    played = [
        game
        for game in latest.values()
        if game.status != "void" and (result := finished.get(game.game_id)) and result.home_score is not None
    ]
    replay = Replay(league, facts)
    for game in sorted(played, key=lambda game: (game.start_at, game.game_id)):
        replay.advance_to(game.start_at)
        yield _row(replay, replay.known(first[game.game_id]), game.start_at, features)


def coming_rows(league: League, facts: Batch, features: FeatureSet, moment: datetime) -> tuple[list[Row], LeagueState]:
    """The rows of the games to come, as of the moment, and the league's state then."""
    replay = Replay(league, facts)
    replay.advance_to(moment)
    return [_row(replay, game, moment, features) for game in replay.upcoming(moment)], replay.state()


def _row(replay: Replay, game: Game, moment: datetime, features: FeatureSet) -> Row:
    situation = replay.situation(game)
    return Row(game, moment, compute(features, situation), situation.prices)

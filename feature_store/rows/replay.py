"""History played back in the order in which it became known, and feature rows as of any moment of it.

Offline (every past game, as of its start) and online (the games to come, as of now) are the same fold over the same
plays, read at different moments, so their rows cannot differ.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray
from core.betting.leagues import League
from feature_store.archive.facts import FactBatch
from feature_store.features.sets import FeatureSet, compute
from feature_store.features.situation import Fixtures, Situation, as_columns
from feature_store.history.fact_columns import FactColumns, Indices, columns_of, seconds, starts_anew
from feature_store.history.fold import Folded, Plays, RowRequests, fold
from feature_store.history.league_state import Checkpoint, LeagueState, initial_league
from feature_store.history.point_in_time import consensus, last_known, moved
from feature_store.history.prices import PriceColumns
from feature_store.history.ratings import LEAGUE, TEAM, rules_of
from feature_store.rows.row import Row


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Feature rows as columns: one entry per game, in order of start."""

    facts: FactColumns
    version: Indices
    """Which version of each game was known at the moment."""
    at: FloatArray
    values: FloatArray
    prices: PriceColumns

    def rows(self) -> Iterator[Row]:
        """The same, row by row."""
        for place, (version, moment) in enumerate(zip(self.version.tolist(), self.at.tolist(), strict=True)):
            as_of = datetime.fromtimestamp(moment, UTC)
            yield Row(self.facts.versions[version], as_of, tuple(self.values[place].tolist()), self.prices[place])


def past_rows(league: League, facts: FactBatch, features: FeatureSet) -> Iterator[Row]:
    """The row of every finished game as of its own start, in order of start.

    Which games there are is read from all the facts; what a row holds, only from those known at its start. A game that
    no source had listed by then has no row, because no forecast of it was possible; its result counts all the same.
    """
    return past_table(league, columns_of(facts), features).rows()


def past_table(
    league: League,
    facts: FactColumns,
    features: FeatureSet,
    at: Mapping[str, float] | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    base: Checkpoint | None = None,
) -> FeatureTable:
    """The rows of ``past_rows`` as columns; ``at`` gives some games, by id, another moment than their start.

    Moments in ``at`` are in seconds since 1970; before a game was listed, its row shows its first version.
    Rows stay in order of start. With ``since`` only games that start then or later, with ``until`` only earlier ones;
    with ``base``, which must have settled by ``since``, the facts need only be those of later games.
    """
    games = np.arange(len(facts.game_ids))
    latest = _latest(facts.games.game, len(games))
    result = _latest(facts.results.game, len(games))
    finished = (result >= 0) & (latest >= 0) & ~facts.games.void[latest]
    finished &= ~np.isnan(np.where(result >= 0, _at(facts.results.home + facts.results.away, result), np.nan))
    first = np.searchsorted(facts.games.game, games, side="left")
    finished &= facts.games.known[first] <= facts.games.start[latest]
    if since is not None:
        finished &= facts.games.start[latest] >= seconds(since)
    if until is not None:
        finished &= facts.games.start[latest] < seconds(until)
    chosen = games[finished]
    start = facts.games.start[latest[chosen]]
    order = np.lexsort((chosen, start))
    chosen, start = chosen[order], start[order]
    moments = start
    if at:
        moments = np.array([at.get(facts.game_ids[game], begin) for game, begin in zip(chosen, start, strict=True)])
    version = last_known(facts.games.game, facts.games.known, chosen, moments)
    return _table(league, facts, features, np.where(version >= 0, version, first[chosen]), moments, base)[0]


def table_as_of(league: League, facts: FactColumns, features: FeatureSet, moment: datetime) -> FeatureTable:
    """The rows, as of the moment, of every game known by then that started later, in order of start.

    Unlike ``coming_rows`` it looks back: the facts may reach beyond the moment, and no row depends on later ones.
    """
    games = np.arange(len(facts.game_ids))
    version = last_known(facts.games.game, facts.games.known, games, np.full(len(games), seconds(moment)))
    version = version[version >= 0]
    chosen = version[(facts.games.start[version] >= seconds(moment)) & ~facts.games.void[version]]
    chosen = chosen[np.lexsort((facts.games.game[chosen], facts.games.start[chosen]))]
    return _table(league, facts, features, chosen, np.full(len(chosen), seconds(moment)), None)[0]


def coming_rows(
    league: League, facts: FactBatch, features: FeatureSet, moment: datetime, base: Checkpoint | None = None
) -> tuple[list[Row], LeagueState]:
    """The rows of the games to come, as of the moment, and the league's state then.

    With ``base``, which must have settled by then, the facts need only be those of later games.
    """
    columns = columns_of(facts.known_by(moment))
    latest = _latest(columns.games.game, len(columns.game_ids))
    due = latest[columns.games.due[latest] & (columns.games.start[latest] >= seconds(moment))]
    due = due[np.lexsort((columns.games.game[due], columns.games.start[due]))]
    table, folded = _table(league, columns, features, due, np.full(len(due), seconds(moment)), base)
    rows = [row._replace(as_of=moment) for row in table.rows()]
    return rows, _state(columns, folded, base)


def make_checkpoints(
    league: League, facts: FactColumns, base: Checkpoint | None, horizons: Iterable[datetime]
) -> Iterator[Checkpoint]:
    """Make the checkpoints at the horizons, in order of time, from ``base`` or from the beginning."""
    rules = rules_of(league.sport)
    plays = _plays(league, facts, base)
    changed = np.maximum(plays.known_from, np.where(np.isfinite(plays.known_until), plays.known_until, -np.inf))
    nothing = RowRequests(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    done = 0
    for horizon in horizons:
        ended = int(np.searchsorted(plays.finish, seconds(horizon), side="right"))
        teams, state = _first_states(league, facts, base)
        folded = fold(plays[done:ended], nothing, teams, state, rules)
        settled = max(horizon, base.settled_at if base is not None else horizon)
        if ended > done:
            settled = max(settled, datetime.fromtimestamp(float(changed[done:ended].max()), UTC))
        base, done = Checkpoint(horizon, settled, _state(facts, folded, base)), ended
        yield base


def _table(
    league: League, facts: FactColumns, features: FeatureSet, version: Indices, at: FloatArray, base: Checkpoint | None
) -> tuple[FeatureTable, Folded]:
    games = facts.games
    requests = RowRequests(at, games.season[version], games.home[version], games.away[version])
    folded = fold(_plays(league, facts, base), requests, *_first_states(league, facts, base), rules_of(league.sport))
    start = games.start[version]
    prices = consensus(facts.quotes, games.game[version], at, start, outcomes=league.outcomes)
    opening, moved_to = moved(facts.quotes, games.game[version], at, start, outcomes=league.outcomes)
    situation = Situation(
        league=as_columns(LEAGUE, folded.league_before),
        home=as_columns(TEAM, folded.home_before),
        away=as_columns(TEAM, folded.away_before),
        game=Fixtures(start, games.season[version], games.neutral[version], games.playoff[version]),
        prices=prices,
        opening=opening,
        moved_to=moved_to,
        rules=rules_of(league.sport),
    )
    return FeatureTable(facts, version, at, compute(features, situation), prices), folded


def _first_states(league: League, facts: FactColumns, base: Checkpoint | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """The teams' records, in the order of the facts' teams, and the league's: before any play, or at a checkpoint."""
    teams = np.zeros(len(facts.teams), TEAM)
    if base is None:
        return teams, initial_league(rules_of(league.sport))
    for place, name in enumerate(facts.teams):
        if name in base.state.teams:
            teams[place] = base.state.teams[name]
    return teams, base.state.league


def _plays(league: League, facts: FactColumns, base: Checkpoint | None) -> Plays:
    """Every game that ended after the base, once for each span of time in which the same was known of it."""
    game, moment = _moments_of_change(facts)
    version = last_known(facts.games.game, facts.games.known, game, moment)
    result = last_known(facts.results.game, facts.results.known, game, moment)
    start = facts.games.start[version]
    prices = consensus(facts.quotes, game, moment, start, outcomes=league.outcomes)
    finish, home, away = (
        _at(column, result) for column in (facts.results.finish, facts.results.home, facts.results.away)
    )
    expected = prices.home_expectation
    total = prices.expected_total(rules_of(league.sport).total_deviation)
    finished = ~facts.games.void[version] & ~np.isnan(home + away)
    market = (np.nan_to_num(column, nan=-1.0) for column in (expected, total))
    new = np.flatnonzero(starts_anew(game, version, result, *market))
    until = np.full(len(new), np.inf)
    until[:-1] = np.where(game[new[1:]] == game[new[:-1]], moment[new[1:]], np.inf)
    kept = finished[new]
    if base is not None:
        kept &= finish[new] > seconds(base.horizon)
    new, until = new[kept], until[kept]
    order = np.lexsort((game[new], start[new], finish[new]))
    new, until = new[order], until[order]
    own_version = version[new]
    return Plays(
        known_from=moment[new],
        known_until=until,
        finish=finish[new],
        season=facts.games.season[own_version],
        start=start[new],
        home=facts.games.home[own_version],
        away=facts.games.away[own_version],
        neutral=facts.games.neutral[own_version],
        home_score=home[new],
        away_score=away[new],
        expected=expected[new],
        total=total[new],
        shots=_at(facts.results.shots, result[new]),
        on_target=_at(facts.results.on_target, result[new]),
    )


def _moments_of_change(facts: FactColumns) -> tuple[Indices, FloatArray]:
    """For each game with a result: the moments, from its first result on, at which something new was known of it."""
    count = len(facts.game_ids)
    first_result = np.full(count, np.inf)
    np.minimum.at(first_result, facts.results.game, facts.results.known)
    first_game = np.full(count, np.inf)
    np.minimum.at(first_game, facts.games.game, facts.games.known)
    first = np.maximum(first_result, first_game)
    game = np.concatenate((facts.games.game, facts.results.game, facts.quotes.game, np.arange(count)))
    moment = np.concatenate((facts.games.known, facts.results.known, facts.quotes.known, first))
    counts = np.isfinite(first[game]) & (moment >= first[game])
    game, moment = game[counts], moment[counts]
    order = np.lexsort((moment, game))
    game, moment = game[order], moment[order]
    fresh = starts_anew(game, moment)
    return game[fresh], moment[fresh]


def _latest(group: Indices, groups: int) -> Indices:
    """The place of each group's last entry, or -1."""
    latest = np.full(groups, -1, dtype=np.int64)
    latest[group] = np.arange(len(group))
    return latest


def _at(column: FloatArray, place: Indices) -> FloatArray:
    """The column's values at the places; of place -1, which callers mask, any value, or NaN if there is none."""
    return column[place] if len(column) else np.full((len(place), *column.shape[1:]), np.nan)


def _state(facts: FactColumns, folded: Folded, base: Checkpoint | None) -> LeagueState:
    played = np.flatnonzero(folded.teams["games"] > 0)
    before = {} if base is None else base.state.teams
    return LeagueState(
        folded.league[0], {**before, **{facts.teams[team]: folded.teams[team] for team in played.tolist()}}
    )
